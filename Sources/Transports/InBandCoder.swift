internal import SecureChannels

/// What the bytes of a stream are on a bytestream: TLS records, or themselves.
struct InBandCoder {
    /// The bytes of one block, and how many of the stream's bytes are complete with it.
    typealias Payload = (bytes: [UInt8], completedByteCount: Int)

    /// How much is encrypted at once: one record.
    private static let recordByteCount = 16 * 1024

    private let engine: TLSPeerEngine?
    private var blocks: [Block] = []
    /// How much of the first block is encoded.
    private var offset = 0
    private var isEndWanted = false
    private(set) var isEndSent = false
    /// How many bytes were taken, and at which of them how many of the stream's bytes are complete.
    private var takenByteCount = 0
    private var marks: [(end: Int, byteCount: Int)] = []

    /// Creates a coder.
    ///
    /// - Parameter engine: encrypts; `nil` when the bytes go as they are.
    init(engine: TLSPeerEngine?) { self.engine = engine }

    /// Whether the stream's bytes can go.
    var isReady: Bool { engine.map { $0.state == .established || $0.state == .closedByPeer } ?? true }
    /// Whether TLS has an end of its own for each direction.
    var hasEnds: Bool { engine != nil }
    /// Whether the peer has ended its direction.
    var isPeerEnded: Bool { engine?.state == .closedByPeer }
    /// Whether there is anything to send now.
    var hasOutput: Bool {
        engine.map { $0.outputByteCount > 0 } ?? false || isReady && (!blocks.isEmpty || isEndWanted && !isEndSent)
    }

    /// Adds blocks to be sent.
    mutating func append(_ new: [Block]) { blocks += new }

    /// Ends our direction after what was added.
    mutating func end() { isEndWanted = true }

    /// The next bytes to send; `nil` when there are none.
    mutating func next(maximum: Int) throws(TLSError) -> Payload? {
        guard let engine else { return nextPlain(maximum: maximum) }
        while isReady, engine.outputByteCount < maximum, let block = blocks.first {
            let end = min(offset + Self.recordByteCount, block.count)
            // All of it is kept for `takeOutput`, since it goes in blocks of another size.
            _ = try engine.send(
                UnsafeRawBufferPointer(rebasing: block.bytes[offset..<end]),
                into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
            marks.append((takenByteCount + engine.outputByteCount, end - offset))
            advance(to: end)
        }
        if isReady, isEndWanted, !isEndSent, blocks.isEmpty {
            isEndSent = true
            engine.close()
        }
        guard let bytes = Self.takeOutput(of: engine, maximum: maximum) else { return nil }
        takenByteCount += bytes.count
        let completed = marks.prefix { $0.end <= takenByteCount }
        marks.removeFirst(completed.count)
        return (bytes, completed.reduce(0) { $0 + $1.byteCount })
    }

    /// What TLS has to say when all is over: why it failed.
    func alert(maximum: Int) -> [UInt8]? { engine.flatMap { Self.takeOutput(of: $0, maximum: maximum) } }

    /// Takes bytes from the peer and hands over what they stand for.
    func receive(_ bytes: [UInt8], _ take: (UnsafeRawBufferPointer) -> Void) throws(TLSError) {
        guard !bytes.isEmpty else { return }
        guard let engine else { return bytes.withUnsafeBytes(take) }
        try bytes.withUnsafeBufferPointer { (bytes) throws(TLSError) in
            try engine.receive(UnsafeRawBufferPointer(bytes))
        }
        var record = [UInt8](repeating: 0, count: Self.recordByteCount)
        while true {
            let byteCount = try record.withUnsafeMutableBufferPointer { (room) throws(TLSError) in
                var nothingMore = UnsafeRawBufferPointer(start: nil, count: 0)
                return try engine.read(from: &nothingMore, into: UnsafeMutableRawBufferPointer(room))
            }
            guard byteCount > 0 else { return }
            record.withUnsafeBytes { take(UnsafeRawBufferPointer(rebasing: $0[..<byteCount])) }
        }
    }

    private static func takeOutput(of engine: TLSPeerEngine, maximum: Int) -> [UInt8]? {
        let byteCount = min(maximum, engine.outputByteCount)
        guard byteCount > 0 else { return nil }
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            count = engine.takeOutput(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    private mutating func nextPlain(maximum: Int) -> Payload? {
        var bytes: [UInt8] = []
        while bytes.count < maximum, let block = blocks.first {
            let end = min(offset + maximum - bytes.count, block.count)
            bytes += block.bytes[offset..<end]
            advance(to: end)
        }
        if isEndWanted, blocks.isEmpty { isEndSent = true }
        return bytes.isEmpty ? nil : (bytes, bytes.count)
    }

    private mutating func advance(to end: Int) {
        offset = end
        guard let block = blocks.first, end == block.count else { return }
        blocks.removeFirst()
        offset = 0
    }
}
