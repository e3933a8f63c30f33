// Wire/Stream-Continuation.md § The frames.

/// Reads the frames of one carrier from pieces of any size.
public struct StreamFrameParser: Sendable {
    /// What was read.
    public enum Event: Sendable, Hashable {
        /// So many bytes of the stream.
        case data(byteCount: Int)
        /// A whole frame.
        case frame(StreamFrame)
    }

    private enum State: Sendable {
        case between
        /// The number of bytes in a data frame, of which so many bytes have come.
        case length(UInt32, readCount: Int)
        /// The two numbers of an acknowledgement, of which so many bytes have come.
        case numbers(UInt64, UInt64, readCount: Int)
        case data(missingByteCount: Int)
    }

    private var state = State.between

    /// Creates a parser.
    public init() {}

    /// Whether the carrier may end here: not within a frame.
    public var isBetweenFrames: Bool { if case .between = state { true } else { false } }

    /// Takes bytes off the front, and returns what they amount to; `nil` when all are taken and more are needed.
    ///
    /// - Throws: when the peer sends what is no frame; the parser is of no use then.
    public mutating func next(_ bytes: inout UnsafeRawBufferPointer) throws(StreamFrameError) -> Event? {
        while let byte = bytes.first {
            if case .data(let missing) = state {
                let count = min(missing, bytes.count)
                bytes = UnsafeRawBufferPointer(rebasing: bytes[count...])
                state = count == missing ? .between : .data(missingByteCount: missing - count)
                return .data(byteCount: count)
            }
            bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
            if let frame = try takeHeader(byte) { return .frame(frame) }
        }
        return nil
    }

    private mutating func takeHeader(_ byte: UInt8) throws(StreamFrameError) -> StreamFrame? {
        switch state {
        case .between:
            switch StreamFrame.Kind(rawValue: byte) {
            case .data: state = .length(0, readCount: 0)
            case .acknowledgement: state = .numbers(0, 0, readCount: 0)
            case .end: return .end
            case nil: throw StreamFrameError("a frame of the unknown type \(byte)")
            }
        case .length(let value, let readCount):
            let value = value << 8 | UInt32(byte)
            guard readCount == 3 else {
                state = .length(value, readCount: readCount + 1)
                return nil
            }
            guard (1...StreamFrame.dataByteCountLimit).contains(Int(value)) else {
                throw StreamFrameError("a frame of \(value) bytes")
            }
            state = .data(missingByteCount: Int(value))
        case .numbers(let received, let limit, let readCount):
            let (received, limit) =
                readCount < 8 ? (received << 8 | UInt64(byte), limit) : (received, limit << 8 | UInt64(byte))
            guard readCount == 15 else {
                state = .numbers(received, limit, readCount: readCount + 1)
                return nil
            }
            state = .between
            return .acknowledgement(StreamAcknowledgement(received: received, limit: limit))
        case .data: break
        }
        return nil
    }
}
