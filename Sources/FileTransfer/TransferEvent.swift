public import SecureChannels
public import Transports
public import XMPP

/// What happens in a transfer, in the order it happens. Only these values travel from a transfer to its user.
public enum TransferEvent: Sendable {
    /// The peer's devices have been asked; none has answered yet.
    case inviting(JID)
    /// A device of the peer has the offer and asks its user.
    case ringing(JID)
    /// A device has accepted; a path is being sought.
    case accepted(by: JID)
    /// A path is there and the peer has proved to own the fingerprint that was signalled; `nil` when there is no encryption
    /// between the devices.
    case connected(PathReport, peer: JID, fingerprint: Fingerprint?)
    /// The path is lost, and why; another is being sought.
    case pathLost(String)
    /// The transfer goes on where an earlier one stopped.
    case resumed(atByte: Int64)
    /// So many bytes of the file are with the receiver, those of earlier attempts included, and they travel that path.
    case progress(byteCount: Int64, PathReport)
    /// All bytes are there; the checksum is being compared.
    case verifying
}

/// What a finished transfer amounted to.
public struct TransferSummary: Sendable {
    /// The file's name at the receiver.
    public var name: String
    /// The other side.
    public var peer: JID
    /// The file's size in bytes.
    public var byteCount: Int64
    /// The bytes that travelled now; fewer than ``byteCount`` after a resumption.
    public var transferredByteCount: Int64
    /// The time from the first byte to the verified end; to another client, to the last byte's arrival there.
    public var duration: Duration
    /// The time from the start of the command's work on this file to its first byte.
    public var timeToFirstByte: Duration
    /// The file's SHA-256 digest, in lower-case hexadecimal.
    public var sha256: String
    /// Whether the receiver has compared the digest with the sender's. Clients that are no sleigh may tell none, and
    /// nobody knows whether they compare.
    public var isVerified: Bool
    /// The path the bytes took.
    public var path: PathReport

    package init(
        name: String, peer: JID, byteCount: Int64, transferredByteCount: Int64, duration: Duration,
        timeToFirstByte: Duration, sha256: String, isVerified: Bool, path: PathReport
    ) {
        self.name = name
        self.peer = peer
        self.byteCount = byteCount
        self.transferredByteCount = transferredByteCount
        self.duration = duration
        self.timeToFirstByte = timeToFirstByte
        self.sha256 = sha256
        self.isVerified = isVerified
        self.path = path
    }
}
