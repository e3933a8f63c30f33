public import SecureChannels
import Transports
public import XMPP

/// Why a transfer did not happen or did not finish.
public enum TransferError: Error, Sendable {
    /// The address does not exist, or its server cannot be reached.
    case peerNotFound(JID, StanzaError)
    /// No device of the peer answered.
    case peerOffline(JID)
    /// A device answered but can do nothing with our offer.
    case peerUnable(JID, String)
    /// The peer's device is there, but nobody accepted in time; what is known of its client, if that may be why.
    case notAnswered(JID, String? = nil)
    /// The peer said no.
    case declined(JID, String?)
    /// The peer, or another device of ours, took the offer away before it was accepted here.
    case withdrawn(JID)
    /// No path between the two hosts could be established.
    case noPath([String])
    /// The transfer stopped midway and can be resumed.
    case interrupted(byteCount: Int64, String)
    /// The transfer stopped midway because its path was lost, so that another may carry it on.
    case pathLost(byteCount: Int64, String)
    /// The file that arrived is not the file that was sent.
    case checksumMismatch
    /// The peer presented another certificate than the one signalled.
    case peerNotAuthenticated(JID)
    /// The peer's device is known with another certificate.
    case deviceChanged(JID, known: String, presented: Fingerprint)
    /// Others than the two devices could read the bytes, where that is not permitted.
    case notEncrypted(JID)
    /// The peer refused this device as not trustworthy: what it said.
    case refusedAsInsecure(JID, String?)
    /// The peer broke the protocol.
    case protocolViolation(String)
    /// The peer's side failed: what it said.
    case peerFailed(String)
    /// The own connection to the XMPP server broke.
    case serverConnectionLost(String)
}
