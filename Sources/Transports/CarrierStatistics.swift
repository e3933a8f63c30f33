/// What the carrier of a connection has measured itself; `nil` where it does not know.
public struct CarrierStatistics: Sendable, Hashable {
    /// The round trip as it is now: smoothed by QUIC or TCP, in-band that of the last block. For a connection through a
    /// SOCKS5 proxy it ends there.
    public var roundTripTime: Duration?
    /// QUIC packets or TCP segments sent.
    public var sentPacketCount: UInt64?
    /// QUIC packets with stream data that were declared lost; what was in them is sent again.
    public var lostPacketCount: UInt64?
    /// TCP segments sent again.
    public var repeatedPacketCount: UInt64?

    /// Knows nothing.
    public init() {}
}
