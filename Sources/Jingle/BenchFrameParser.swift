// Wire/Jingle-Bench.md: the frames of a stream.

/// Reads the frames of one stream from pieces of any size.
public struct BenchFrameParser: Sendable {
    /// What was read.
    public enum Event: Sendable, Hashable {
        /// So many bytes of filling.
        case data(byteCount: Int)
        /// A whole frame.
        case frame(BenchFrame)
    }

    private var header: [UInt8] = []
    private var kind: BenchFrame.Kind?
    private var payload: [UInt8] = []
    /// What is still to come of the current frame.
    private var missingByteCount = 0

    /// Creates a parser.
    public init() {}

    /// Whether the stream may end here: not within a frame.
    public var isBetweenFrames: Bool { header.isEmpty && kind == nil }

    /// Takes bytes off the front, and returns what they amount to; `nil` when all are taken and more are needed.
    ///
    /// - Throws: when the peer sends what is no frame; the parser is of no use then.
    public mutating func next(_ bytes: inout UnsafeRawBufferPointer) throws(BenchSyntaxError) -> Event? {
        while true {
            guard let kind else {
                guard let byte = bytes.first else { return nil }
                bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
                header.append(byte)
                if header.count == BenchFrame.headerByteCount { try beginFrame() }
                continue
            }
            let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(missingByteCount))
            guard !part.isEmpty || missingByteCount == 0 else { return nil }
            bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(part.count))
            missingByteCount -= part.count
            if kind == .data {
                if missingByteCount == 0 { self.kind = nil }
                return .data(byteCount: part.count)
            }
            payload += part
            guard missingByteCount == 0 else { return nil }
            self.kind = nil
            defer { payload = [] }
            return .frame(try BenchFrame(kind, payload: payload))
        }
    }

    private mutating func beginFrame() throws(BenchSyntaxError) {
        defer { header = [] }
        guard let kind = BenchFrame.Kind(rawValue: header[0]) else { throw .unknownType(header[0]) }
        let byteCount = header[1...].reduce(0) { $0 << 8 | Int($1) }
        let isRight =
            kind == .data
            ? (1...BenchFrame.dataByteCountLimit).contains(byteCount)
            : (kind.byteCount...BenchFrame.payloadByteCountLimit).contains(byteCount)
        guard isRight else { throw .wrongLength(type: header[0]) }
        self.kind = kind
        missingByteCount = byteCount
    }
}
