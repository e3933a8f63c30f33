// Wire/Stream-Continuation.md § Many streams.

/// What comes first on each stream of a connection that may be gone on with: which of the streams it carries.
public enum StreamAttachment: Sendable, Hashable {
    /// A stream of its opener of which the peer has not been heard yet, and so may not know.
    case first(UInt64)
    /// A stream that the peer knows.
    case again(UInt64)
    /// No stream, but the numbers of all of the opener's with which it goes on.
    case list([UInt64])

    /// The kinds, as the first byte says.
    enum Kind: UInt8 {
        case first, again, list
    }

    /// How many numbers a list may have.
    public static let listLimit = 1024

    /// What is sent: the kind, a number or how many follow, the numbers; each of 64 bits in network order.
    public var bytes: [UInt8] {
        let (kind, numbers): (Kind, [UInt64]) =
            switch self {
            case .first(let number): (.first, [number])
            case .again(let number): (.again, [number])
            case .list(let numbers): (.list, [UInt64(numbers.count)] + numbers)
            }
        return numbers.reduce(into: [kind.rawValue]) { bytes, number in
            withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
        }
    }
}

/// Reads a ``StreamAttachment`` from pieces of any size.
public struct StreamAttachmentParser: Sendable {
    private var kind: StreamAttachment.Kind?
    private var numbers: [UInt64] = []
    private var number: UInt64 = 0
    private var byteCount = 0

    /// Creates a parser.
    public init() {}

    /// Takes bytes off the front, and returns what they amount to; `nil` when all are taken and more are needed.
    ///
    /// - Throws: when the peer sends anything else; the parser is of no use then.
    public mutating func next(_ bytes: inout UnsafeRawBufferPointer) throws(StreamFrameError) -> StreamAttachment? {
        while let byte = bytes.first {
            bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
            guard let kind else {
                kind = StreamAttachment.Kind(rawValue: byte)
                guard kind != nil else { throw StreamFrameError("a stream of the unknown kind \(byte)") }
                continue
            }
            number = number << 8 | UInt64(byte)
            byteCount += 1
            guard byteCount.isMultiple(of: 8) else { continue }
            if let attachment = try take(number, as: kind) { return attachment }
            number = 0
        }
        return nil
    }

    private mutating func take(
        _ number: UInt64, as kind: StreamAttachment.Kind
    ) throws(StreamFrameError) -> StreamAttachment? {
        switch kind {
        case .first: return .first(number)
        case .again: return .again(number)
        case .list:
            numbers.append(number)
            guard numbers[0] <= UInt64(StreamAttachment.listLimit) else {
                throw StreamFrameError("a list of \(numbers[0]) streams")
            }
            return numbers.count == Int(numbers[0]) + 1 ? .list(Array(numbers.dropFirst())) : nil
        }
    }
}
