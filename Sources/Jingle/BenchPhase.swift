// Wire/Jingle-Bench.md: a phase, and what is told about it.

/// What the initiator asks for: filling in one direction, for a time.
public struct BenchPhase: Sendable, Hashable {
    /// Who sends the filling.
    public enum Direction: UInt8, Sendable, Hashable, CaseIterable {
        /// The initiator.
        case up
        /// The responder.
        case down
    }

    /// The longest time that counts, in milliseconds.
    public static let durationLimit: UInt32 = 600_000
    /// The longest time before it, in milliseconds.
    public static let warmUpLimit: UInt32 = 10_000
    /// The most streams at once.
    public static let streamCountLimit: UInt16 = 64
    /// The most filling of one phase, in bytes.
    public static let byteCountLimit: UInt64 = 1 << 40
    /// The most phases of one session.
    public static let countLimit = 8

    static let byteCount = 19

    /// Who sends.
    public var direction: Direction
    /// How many streams carry the filling; 0: the first, which carries everything else too.
    public var streamCount: UInt16
    /// How long after the first byte the path is still warming up, in milliseconds.
    public var warmUpMilliseconds: UInt32
    /// How long is measured after that, in milliseconds.
    public var durationMilliseconds: UInt32
    /// After how much filling the sender ends the phase, in bytes.
    public var byteLimit: UInt64

    /// Describes a phase; what is beyond the limits is cut.
    public init(
        _ direction: Direction, streamCount: UInt16, warmUpMilliseconds: UInt32, durationMilliseconds: UInt32,
        byteLimit: UInt64 = byteCountLimit
    ) {
        self.direction = direction
        self.streamCount = min(streamCount, Self.streamCountLimit)
        self.warmUpMilliseconds = min(warmUpMilliseconds, Self.warmUpLimit)
        self.durationMilliseconds = min(max(durationMilliseconds, 1), Self.durationLimit)
        self.byteLimit = min(max(byteLimit, 1), Self.byteCountLimit)
    }

    /// Whether the time alone ends it.
    public var isLimitedByTime: Bool { byteLimit == Self.byteCountLimit }
    /// How long the path is still warming up.
    public var warmUp: Duration { .milliseconds(Int64(warmUpMilliseconds)) }
    /// How long the receiver lets the phase take, from the first byte on.
    public var length: Duration { .milliseconds(Int64(warmUpMilliseconds) + Int64(durationMilliseconds)) }

    init(_ reader: inout BenchFieldReader) throws(BenchSyntaxError) {
        guard let direction = Direction(rawValue: reader.next()) else { throw .invalid("direction") }
        self.direction = direction
        streamCount = reader.next()
        warmUpMilliseconds = reader.next()
        durationMilliseconds = reader.next()
        byteLimit = reader.next()
        guard streamCount <= Self.streamCountLimit else { throw .invalid("streams") }
        guard warmUpMilliseconds <= Self.warmUpLimit else { throw .invalid("warm-up") }
        guard (1...Self.durationLimit).contains(durationMilliseconds) else { throw .invalid("duration") }
        guard (1...Self.byteCountLimit).contains(byteLimit) else { throw .invalid("bytes") }
    }

    var bytes: [UInt8] {
        [direction.rawValue] + BenchFrame.bytes(of: streamCount) + BenchFrame.bytes(of: warmUpMilliseconds)
            + BenchFrame.bytes(of: durationMilliseconds) + BenchFrame.bytes(of: byteLimit)
    }
}

/// What the receiver of a phase has, by its own clock.
public struct BenchArrival: Sendable, Hashable {
    /// The time since its first byte of filling, in microseconds.
    public var microseconds: UInt64
    /// The filling until then, in bytes.
    public var byteCount: UInt64

    /// Creates a report.
    public init(microseconds: UInt64, byteCount: UInt64) {
        self.microseconds = microseconds
        self.byteCount = byteCount
    }

    /// The time since the first byte.
    public var time: Duration { .microseconds(Int64(clamping: microseconds)) }
}

/// What a side knows of a phase that is over; the fields that it does not know are `nil`.
public struct BenchAccount: Sendable, Hashable {
    /// The processor time of this side for the phase, in microseconds.
    public var processorMicroseconds: UInt64?
    /// The filling that was sent or received, in bytes.
    public var byteCount: UInt64?
    /// By the sender: packets (QUIC) or segments (TCP) sent.
    public var sentPacketCount: UInt64?
    /// By the sender: those declared lost.
    public var lostPacketCount: UInt64?
    /// By the sender: those sent again.
    public var repeatedPacketCount: UInt64?
    /// By the sender: the shortest of the carrier's own round trips once the path was warm, in microseconds.
    public var leastRoundTrip: UInt64?
    /// The one in the middle.
    public var medianRoundTrip: UInt64?
    /// The longest.
    public var mostRoundTrip: UInt64?

    /// Knows nothing.
    public init() {}

    private static var fields: [WritableKeyPath<BenchAccount, UInt64?>] {
        [
            \.processorMicroseconds, \.byteCount, \.sentPacketCount, \.lostPacketCount, \.repeatedPacketCount,
            \.leastRoundTrip, \.medianRoundTrip, \.mostRoundTrip,
        ]
    }

    init(_ reader: inout BenchFieldReader) {
        for field in Self.fields {
            let value: UInt64 = reader.next()
            self[keyPath: field] = value == .max ? nil : value
        }
    }

    var bytes: [UInt8] { Self.fields.flatMap { BenchFrame.bytes(of: self[keyPath: $0] ?? .max) } }
}
