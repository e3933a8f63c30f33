public import Transports
public import XMPP

/// What a finished stream amounted to.
public struct StreamSummary: Sendable {
    /// The other side.
    public var peer: JID
    /// The bytes that the program there has.
    public var sentByteCount: UInt64
    /// The bytes that the program here has.
    public var receivedByteCount: UInt64
    /// The time from the connection to the confirmed end.
    public var duration: Duration
    /// The path the bytes took.
    public var path: PathReport
}
