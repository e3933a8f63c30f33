internal import Synchronization

/// Makes streams acknowledge what has come when nothing else has made them do so for a while: one timer for all of them.
final class AcknowledgementDelay: Sendable {
    /// How long what has come may remain unacknowledged.
    private static let limit = Duration.milliseconds(20)

    private struct State {
        /// Only while somebody runs: they have this object, too.
        var streams: [ContinuedStream]?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// From now on streams may be added; ends with ``close()``.
    func open() { state.withLock { $0.streams = [] } }

    /// Forgets the streams.
    func close() {
        // They go outside of the lock.
        _ = state.withLock { $0.streams.take() }
    }

    /// A stream has something to acknowledge, and need not do so at once.
    func add(_ stream: ContinuedStream) {
        state.withLock { state in
            state.streams?.append(stream)
            return state.waiter.take()
        }?.resume()
    }

    /// Runs until it is cancelled, between ``open()`` and ``close()``. For one task at a time.
    func run() async throws {
        while true {
            await wait()
            try await Task.sleep(for: Self.limit)
            let streams = state.withLock { state in
                defer { if state.streams != nil { state.streams = [] } }
                return state.streams
            }
            for stream in streams ?? [] { stream.acknowledge() }
        }
    }

    /// Suspends until there is a stream, or the task is cancelled.
    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.streams?.isEmpty ?? true, !Task.isCancelled else { return true }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiter.take() }?.resume()
        }
    }
}
