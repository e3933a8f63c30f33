public import Jingle
public import Transports
public import XMPP

/// What is known of a path so far.
public struct BenchResult: Sendable {
    /// One direction.
    public struct Direction: Sendable {
        /// Which one, seen from the initiator.
        public var direction: BenchPhase.Direction
        /// How many streams carried it.
        public var streamCount: Int
        /// How long the path was given to warm up.
        public var warmUp: Duration
        /// What had arrived when; the last one before the receiver said that it has seen enough.
        public var samples: [BenchSample] = []
        /// All that arrived, also while the path was warming up and at the end.
        public var byteCount: UInt64?
        /// The processor time of this program for all that.
        public var processorTime: Duration?
        /// The processor time of the peer's.
        public var peerProcessorTime: Duration?
        /// Packets (QUIC) or segments (TCP) that were sent.
        public var sentPacketCount: UInt64?
        /// Those that were declared lost.
        public var lostPacketCount: UInt64?
        /// Those that were sent again.
        public var repeatedPacketCount: UInt64?
        /// Round trips while the warm path was full.
        public var roundTrips: BenchRoundTrips?
        /// The carrier's own, at the sender.
        public var carrierRoundTrips: BenchRoundTrips?
        /// Whether it was measured to its end.
        public var isComplete = false

        /// Creates the result of a direction that has just begun.
        public init(_ direction: BenchPhase.Direction, streamCount: Int, warmUp: Duration) {
            self.direction = direction
            self.streamCount = streamCount
            self.warmUp = warmUp
        }

        /// The part that counts.
        public var window: BenchWindow? { BenchWindow(samples, warmUp: warmUp) }
    }

    /// The other side.
    public var peer: JID?
    /// The path; `nil` when there is none.
    public var path: PathReport?
    /// From the question to the peer to the first byte that came back.
    public var setUpDuration: Duration?
    /// From the offer of the session to that byte.
    public var connectDuration: Duration?
    /// Round trips of pings while nothing else was under way.
    public var idleRoundTrips: BenchRoundTrips?
    /// The carrier's at that time.
    public var carrierRoundTrip: Duration?
    /// What was measured of each direction, in the order of time.
    public var directions: [Direction] = []

    /// Knows nothing.
    public init() {}
}
