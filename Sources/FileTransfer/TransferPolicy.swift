public import Jingle
public import Transports

/// What the user permits a transfer.
public struct TransferPolicy: Sendable, Hashable {
    /// The paths that may be used.
    public var allowedPaths = AllowedPaths.all
    /// Whether a path on which others than the two devices can read the bytes is refused.
    public var requiresEncryption = false
    /// The most that this side sends on a connection, and takes; the peer is asked to send no more.
    public var limit: RateLimit?
    /// Whether a stream may go to or come from a client that is no sleigh: in one direction, and readable by others than the
    /// two devices.
    public var permitsOneWayStreams = false

    /// Permits everything.
    public init() {}
}
