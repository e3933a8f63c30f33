/// How many bytes went each way between two streams.
package struct JoinedByteCounts: Sendable, Hashable {
    /// From the first stream to the second.
    package var forth: UInt64 = 0
    /// From the second stream to the first.
    package var back: UInt64 = 0
}

extension ByteStream {
    /// Copies both directions between this stream and another, each until its own end.
    ///
    /// When one fails or the task is cancelled, both streams are reset. Before a failure is thrown, what was sent until then
    /// gets to its end, as with TCP, where a program may close its socket right after its last write: what a stream has
    /// given before it failed is delivered; and of a stream that takes no more the other direction is copied to its end.
    /// What it does not take is thrown away meanwhile, as the sender may read only when it has written.
    ///
    /// - Parameters:
    ///   - code: what the streams are reset with.
    ///   - patience: how long the rest may stand still after a failure.
    /// - Throws: `ByteStreamError`, `CancellationError`.
    package func join(
        _ other: any ByteStream, resettingWith code: UInt64, patience: Duration = .seconds(10)
    ) async throws -> JoinedByteCounts {
        let forth = StreamDirection(from: self, to: other)
        let back = StreamDirection(from: other, to: self)
        do {
            try await Self.run(forth, back, patience: patience)
        } catch {
            reset(code: code)
            other.reset(code: code)
            throw error
        }
        return JoinedByteCounts(forth: forth.copiedByteCount, back: back.copiedByteCount)
    }

    private static func run(_ forth: StreamDirection, _ back: StreamDirection, patience: Duration) async throws {
        try await withThrowingTaskGroup(of: JoiningStep.self) { group in
            defer { group.cancelAll() }
            for direction in [forth, back] {
                group.addTask { .over(direction, try await direction.copy()) }
            }
            var openCount = 2
            var isFlushing = false
            var failure: ByteStreamError?
            for try await step in group {
                switch step {
                case .over(let direction, let end):
                    openCount -= 1
                    switch end {
                    case .complete: break
                    case .sourceFailed:
                        isFlushing = true
                        group.addTask {
                            try await direction.flush()
                            return .flushed
                        }
                    case .sinkFailed:
                        group.addTask {
                            try await direction.discard()
                            return .discarded
                        }
                    }
                    if failure == nil, let error = end.error {
                        failure = error
                        group.addTask {
                            try await waitForStandstill(of: [forth, back], patience)
                            return .stoodStill
                        }
                    }
                    if openCount == 0, !isFlushing { return try throwIfThere(failure) }
                case .discarded: break
                case .flushed, .stoodStill: return try throwIfThere(failure)
                }
            }
        }
    }

    private static func waitForStandstill(of directions: [StreamDirection], _ patience: Duration) async throws {
        var last: [[Int]] = []
        while true {
            let now = directions.map(\.progress)
            guard now != last else { return }
            last = now
            try await Task.sleep(for: patience)
        }
    }

    private static func throwIfThere(_ failure: ByteStreamError?) throws { if let failure { throw failure } }
}

/// What happens while two streams are joined.
private enum JoiningStep: Sendable {
    /// Nothing more is copied in a direction.
    case over(StreamDirection, StreamDirection.End)
    /// What a stream gave before it failed is delivered, or never will be.
    case flushed
    /// What a stream does not take is thrown away.
    case discarded
    /// After a failure nothing gets on any more.
    case stoodStill
}
