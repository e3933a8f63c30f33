/// What a QUIC connection knows about its path.
public struct QUICStatistics: Sendable, Hashable {
    /// The smoothed round trip; `nil` before the first measurement.
    public var smoothedRTT: Duration?
    /// The shortest round trip seen; `nil` before the first measurement.
    public var minimumRTT: Duration?
    /// How many bytes may be unacknowledged.
    public var congestionWindowByteCount: UInt64 = 0
    /// How many bytes are unacknowledged.
    public var inFlightByteCount: UInt64 = 0
    /// Packets declared lost; with ngtcp2 0.12 only those that carried stream data.
    public var lostPacketCount: UInt64 = 0
    /// Bytes declared lost; `nil` with ngtcp2 0.12, which does not count them.
    public var lostByteCount: UInt64?
    /// UDP payload bytes sent.
    public var sentByteCount: UInt64 = 0
    /// UDP payload bytes received.
    public var receivedByteCount: UInt64 = 0
    /// Packets sent.
    public var sentPacketCount: UInt64 = 0
    /// Packets received.
    public var receivedPacketCount: UInt64 = 0
    /// The largest UDP payload known to get through, in bytes.
    public var payloadByteCount = 1200

    /// Nothing measured yet.
    public init() {}
}
