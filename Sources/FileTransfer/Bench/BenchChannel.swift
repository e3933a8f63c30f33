internal import Jingle
internal import Synchronization
internal import Transports

/// One stream of a measurement: writes frames and filling, and reads them.
final class BenchChannel: Sendable {
    /// How many frames may wait to be written.
    private static let frameLimit = 256

    private struct Output {
        var frames: [BenchFrame] = []
        var sending: BenchSending?
    }

    private enum Step {
        case frame(BenchFrame)
        case filling(byteCount: Int)
        case end(BenchSending)
    }

    private let stream: any ByteStream
    private let blocks: BlockPool
    private let filling: BenchFilling
    private let output = Mutex(Output())
    private let news = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    init(_ stream: any ByteStream, filling: BenchFilling, blocks: BlockPool) {
        self.stream = stream
        self.filling = filling
        self.blocks = blocks
    }

    /// Queues a frame, before any filling that is not written yet.
    ///
    /// - Throws: `TransferError.protocolViolation` when the peer asks for more answers than it takes.
    func send(_ frame: BenchFrame) throws(TransferError) {
        let isTaken = output.withLock { output in
            guard output.frames.count < Self.frameLimit else { return false }
            output.frames.append(frame)
            return true
        }
        guard isTaken else { throw .protocolViolation("it takes no answers") }
        wake()
    }

    /// Sends filling from now on, as far as it is allowed, and then says that it was all.
    func fill(_ sending: BenchSending) {
        output.withLock { $0.sending = sending }
        wake()
    }

    /// Looks again whether there is something to write.
    func wake() { news.continuation.yield() }

    /// Writes and reads until the peer ends the stream.
    ///
    /// - Parameters:
    ///   - ended: is told when the filling of a phase has been written, and its end.
    ///   - take: takes what the peer sends.
    /// - Throws: `ByteStreamError`, `TransferError`, `CancellationError`, what `take` throws.
    func run(
        ended: @escaping @Sendable (BenchSending) -> Void,
        take: @escaping @Sendable (BenchFrameParser.Event) throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await self.write(ended)
                return false
            }
            group.addTask {
                try await self.read(take)
                return true
            }
            for try await isOver in group where isOver { return }
        }
    }

    private func write(_ ended: @Sendable (BenchSending) -> Void) async throws {
        for await _ in news.stream {
            while let step = nextStep() {
                switch step {
                case .frame(let frame): try await stream.write(block(of: frame))
                case .filling(let byteCount):
                    try await stream.write(filling.frame(byteCount: byteCount, blocks))
                case .end(let sending):
                    try await stream.write(block(of: .end))
                    ended(sending)
                }
            }
        }
        try Task.checkCancellation()
    }

    private func nextStep() -> Step? {
        output.withLock { output in
            if !output.frames.isEmpty { return .frame(output.frames.removeFirst()) }
            guard let sending = output.sending else { return nil }
            switch sending.claim(BenchFilling.byteCount) {
            case .send(let byteCount): return .filling(byteCount: byteCount)
            case .wait: return nil
            case .over:
                output.sending = nil
                return .end(sending)
            }
        }
    }

    private func block(of frame: BenchFrame) -> Block {
        blocks.take(filledWith: frame.bytes)
    }

    private func read(_ take: @Sendable (BenchFrameParser.Event) throws -> Void) async throws {
        var parser = BenchFrameParser()
        while let block = try await stream.read() {
            var rest = block.bytes
            while let event = try Self.next(&parser, &rest) { try take(event) }
        }
        guard parser.isBetweenFrames else { throw TransferError.protocolViolation("it ends within a frame") }
    }

    private static func next(
        _ parser: inout BenchFrameParser, _ bytes: inout UnsafeRawBufferPointer
    ) throws(TransferError) -> BenchFrameParser.Event? {
        do {
            return try parser.next(&bytes)
        } catch {
            throw .protocolViolation("it sends what is no frame: \(error)")
        }
    }
}
