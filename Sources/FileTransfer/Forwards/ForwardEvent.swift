public import Jingle
public import XMPP

/// What happens to forwarded connections. The addresses that a peer names are not safe to print.
public enum ForwardEvent: Sendable {
    /// Something that happens to the session as to any transfer.
    case session(TransferEvent)
    /// Connections that come to this address of this host go to that address at the peer.
    case listening(at: ForwardAddress, to: ForwardAddress)
    /// Connections that come to this address of the peer's host go to that address from here.
    case peerListening(at: ForwardAddress, to: ForwardAddress)
    /// We listen for a peer.
    case listeningFor(JID, at: ForwardAddress)
    /// A connection was joined.
    case opened(ForwardAddress, from: String)
    /// A joined connection is over; how many bytes went to the address, and came from it.
    case ended(ForwardAddress, sent: UInt64, received: UInt64)
    /// A joined connection broke off.
    case broken(ForwardAddress, String)
    /// The peer refused a connection.
    case refused(ForwardAddress, ForwardRefusal)
    /// We refused a peer, which may not do that.
    case denied(JID, ForwardRequest)
    /// An address that a peer may use cannot be connected to, or listened at.
    case unreachable(ForwardAddress, String)
    /// A connection had to be closed, as there is no session.
    case noSession(ForwardAddress)
}
