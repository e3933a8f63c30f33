// Wire/Jingle-Bench.md: what goes over the streams of a measurement.

/// A frame that is not filling: what the two sides of a measurement tell each other.
public enum BenchFrame: Sendable, Hashable {
    /// To be answered at once.
    case ping(UInt64)
    /// The answer to the ping with that number.
    case pong(UInt64)
    /// The initiator begins a phase.
    case start(BenchPhase)
    /// The receiver of a phase tells what has arrived.
    case report(BenchArrival)
    /// The receiver of a phase has seen enough.
    case stop
    /// The sender of a phase sends no more of it on this stream.
    case end
    /// The responder's account of a phase that is over.
    case result(BenchAccount)

    /// The types of frames, as the first byte says.
    enum Kind: UInt8 {
        case data, ping, pong, start, report, stop, end, result

        /// How long the payload is at least, in bytes; what follows is for later versions.
        var byteCount: Int {
            switch self {
            case .data, .stop, .end: 0
            case .ping, .pong: 8
            case .start: BenchPhase.byteCount
            case .report: 16
            case .result: 64
            }
        }
    }

    /// The size of what comes before each payload: the type, and the length as 32 bits in network order.
    public static let headerByteCount = 5
    /// The most filling that one frame may hold.
    public static let dataByteCountLimit = 1 << 20
    /// The longest payload of any other frame.
    static let payloadByteCountLimit = 1024

    /// What comes before so many bytes of filling.
    public static func dataHeader(byteCount: Int) -> [UInt8] {
        precondition((1...dataByteCountLimit).contains(byteCount))
        return header(.data, byteCount: byteCount)
    }

    private static func header(_ kind: Kind, byteCount: Int) -> [UInt8] {
        [kind.rawValue] + bytes(of: UInt32(byteCount))
    }

    /// The frame as it is sent.
    public var bytes: [UInt8] {
        let (kind, payload): (Kind, [UInt8]) =
            switch self {
            case .ping(let number): (.ping, Self.bytes(of: number))
            case .pong(let number): (.pong, Self.bytes(of: number))
            case .start(let phase): (.start, phase.bytes)
            case .report(let arrival):
                (.report, Self.bytes(of: arrival.microseconds) + Self.bytes(of: arrival.byteCount))
            case .stop: (.stop, [])
            case .end: (.end, [])
            case .result(let account): (.result, account.bytes)
            }
        return Self.header(kind, byteCount: payload.count) + payload
    }

    init(_ kind: Kind, payload: [UInt8]) throws(BenchSyntaxError) {
        var reader = BenchFieldReader(payload)
        switch kind {
        case .data: throw .unknownType(kind.rawValue)
        case .ping: self = .ping(reader.next())
        case .pong: self = .pong(reader.next())
        case .start: self = .start(try BenchPhase(&reader))
        case .report:
            self = .report(BenchArrival(microseconds: reader.next(), byteCount: reader.next()))
        case .stop: self = .stop
        case .end: self = .end
        case .result: self = .result(BenchAccount(&reader))
        }
    }

    static func bytes<Value: FixedWidthInteger>(of value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}

/// Reads the fields of a payload that is known to be long enough.
struct BenchFieldReader {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    mutating func next<Value: FixedWidthInteger>() -> Value {
        let field = bytes.prefix(Value.bitWidth / 8)
        bytes = bytes.dropFirst(field.count)
        return field.reduce(0) { $0 << 8 | Value($1) }
    }
}

/// What is wrong with what a peer sent.
public enum BenchSyntaxError: Error, Sendable, Hashable {
    /// No frame has that type.
    case unknownType(UInt8)
    /// The payload is too short or too long for its type.
    case wrongLength(type: UInt8)
    /// A field has a value that is not allowed.
    case invalid(String)
}
