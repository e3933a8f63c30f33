internal import Transports

/// Copies the directions of a stream, each until its own end.
struct StreamCopy: Sendable {
    /// What the peer has to know.
    enum Notice: Sendable, Hashable {
        /// All that came, so many bytes, is with the program here.
        case delivered(byteCount: UInt64)
        /// The program here takes no more; what still comes is dropped.
        case stopped
    }

    /// For how long what comes is dropped.
    private static let droppingLimit = Duration.seconds(60)

    private let stream: any ByteStream
    private let end: StreamEnd
    private let flow: StreamFlow
    private let tell: @Sendable (Notice) async -> Void
    private let progress: @Sendable (Int64) -> Void
    private let isConfirmed: @Sendable () async throws -> Bool

    /// Prepares the copying.
    ///
    /// - Parameters:
    ///   - flow: which directions there are. Only a peer with both is told anything.
    ///   - tell: tells the peer.
    ///   - progress: takes how many bytes the peer's carrier has.
    ///   - isConfirmed: whether the peer says that it has everything, although its carrier has not said so.
    init(
        stream: any ByteStream, end: StreamEnd, flow: StreamFlow = .both,
        tell: @escaping @Sendable (Notice) async -> Void,
        progress: @escaping @Sendable (Int64) -> Void = { _ in },
        isConfirmed: @escaping @Sendable () async throws -> Bool = { false }
    ) {
        self.stream = stream
        self.end = end
        self.flow = flow
        self.tell = tell
        self.progress = progress
        self.isConfirmed = isConfirmed
    }

    private enum Step: Sendable {
        case sent(UInt64)
        case received(UInt64, LocalFileError?)
        case watched
    }

    /// Runs until both directions have ended: of a stream in one direction, the other one is that of the program here.
    ///
    /// - Parameter stopping: ends our direction when it says that the peer takes no more.
    /// - Returns: how many bytes were sent and received.
    /// - Throws: `ByteStreamError`; `LocalFileError`, if the program here took no more, once the other direction is over
    ///   too; `CancellationError`.
    func run(stopping: AsyncStream<Void>) async throws -> (sent: UInt64, received: UInt64) {
        try await withThrowingTaskGroup(of: Step.self) { group in
            defer { group.cancelAll() }
            group.addTask { .sent(try await flow == .incoming ? drop() : send()) }
            group.addTask { try await flow == .outgoing ? .received(0, nil) : receive() }
            group.addTask {
                for await _ in stopping { end.stopReading() }
                return .watched
            }
            var counts: (sent: UInt64?, received: UInt64?) = (nil, nil)
            var localError: LocalFileError?
            while counts.sent == nil || counts.received == nil, let step = try await group.next() {
                switch step {
                case .sent(let byteCount): counts.sent = byteCount
                case .received(let byteCount, let error):
                    counts.received = byteCount
                    localError = error
                case .watched: break
                }
            }
            if let localError { throw localError }
            return (counts.sent ?? 0, counts.received ?? 0)
        }
    }

    /// Takes what nobody wants, so that the program is not held up or ended by it.
    private func drop() async throws -> UInt64 {
        while try await end.next() != nil {}
        return 0
    }

    private func send() async throws -> UInt64 {
        var byteCount: UInt64 = 0
        while let block = try await end.next() {
            byteCount += UInt64(block.count)
            try await stream.write(block)
            progress(Int64(clamping: byteCount) - Int64(stream.unacknowledgedByteCount))
        }
        do {
            try await stream.finish()
        } catch let error as ByteStreamError {
            guard try await isConfirmed() else { throw error }
        }
        return byteCount
    }

    /// Writes what comes, and tells the peer when all of it is written, or when nobody takes it any more.
    private func receive() async throws -> Step {
        var byteCount: UInt64 = 0
        do {
            while let block = try await stream.read() {
                byteCount += UInt64(block.count)
                try await end.write(block)
            }
            try await end.finish()
        } catch let error as LocalFileError {
            guard flow == .both else { throw error }
            await tell(.stopped)
            let deadline = ContinuousClock.now + Self.droppingLimit
            while try await stream.read() != nil {
                guard .now < deadline else { throw error }
            }
            return .received(byteCount, error)
        }
        if flow == .both { await tell(.delivered(byteCount: byteCount)) }
        return .received(byteCount, nil)
    }
}
