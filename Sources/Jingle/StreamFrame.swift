// Wire/Stream-Continuation.md § The frames.

/// What the two ends of a stream tell each other beside its bytes.
public enum StreamFrame: Sendable, Hashable {
    /// What the sender of this frame has, and how much more it takes.
    case acknowledgement(StreamAcknowledgement)
    /// The sender of this frame has ended its direction.
    case end

    /// The types of frames, as the first byte says.
    enum Kind: UInt8 {
        case data, acknowledgement, end
    }

    /// The size of what comes before the bytes of a data frame: the type, and their number as 32 bits in network order.
    public static let dataHeaderByteCount = 5
    /// The most bytes that one data frame may hold.
    public static let dataByteCountLimit = 1 << 20
    /// How much may be sent before the peer has said how much it takes.
    public static let initialWindow: UInt64 = 256 << 10

    /// Writes what comes before so many bytes of data to the start of a piece of memory.
    public static func writeDataHeader(byteCount: Int, to memory: UnsafeMutableRawBufferPointer) {
        precondition((1...dataByteCountLimit).contains(byteCount))
        memory[0] = Kind.data.rawValue
        memory.storeBytes(of: UInt32(byteCount).bigEndian, toByteOffset: 1, as: UInt32.self)
    }

    /// The frame as it is sent.
    public var bytes: [UInt8] {
        switch self {
        case .acknowledgement(let acknowledgement):
            [Kind.acknowledgement.rawValue] + Self.bytes(of: acknowledgement.received)
                + Self.bytes(of: acknowledgement.limit)
        case .end: [Kind.end.rawValue]
        }
    }

    private static func bytes(of number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
}

/// How far one end of a stream has come with what the other sends.
public struct StreamAcknowledgement: Sendable, Hashable {
    /// What has arrived: the number of bytes, and one more when the end has come too.
    public var received: UInt64
    /// How many bytes may be sent in all.
    public var limit: UInt64

    /// Creates an acknowledgement.
    public init(received: UInt64, limit: UInt64) {
        self.received = received
        self.limit = limit
    }
}

/// The peer has sent what no sound end of a stream sends.
public struct StreamFrameError: Error, Sendable, Hashable {
    /// What it is, as part of a sentence.
    public let what: String

    /// Creates an error.
    public init(_ what: String) { self.what = what }
}
