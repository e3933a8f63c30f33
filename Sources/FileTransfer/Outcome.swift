internal import Synchronization

/// A value that is settled once, by a thread, and awaited by tasks.
final class Outcome<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, LocalFileError>?
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
    }

    private let state = Mutex(State())

    /// Sets the value if there is none yet.
    func settle(_ result: Result<Value, LocalFileError>) {
        let waiters = state.withLock { state in
            if state.result == nil { state.result = result }
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }

    /// The value if it is there.
    var current: Result<Value, LocalFileError>? { state.withLock { $0.result } }

    /// Waits for the value.
    ///
    /// - Throws: the `LocalFileError` it was settled with, or `CancellationError`.
    func value() async throws -> Value {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await wait(as: number) { Task.isCancelled }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
        guard let current else { throw CancellationError() }
        return try current.get()
    }

    /// Waits for the value even when the calling task is cancelled.
    func valueDespiteCancellation() async throws(LocalFileError) -> Value {
        while true {
            if let current { return try current.get() }
            let number = state.withLock { state in
                state.nextWaiter += 1
                return state.nextWaiter
            }
            await wait(as: number) { false }
        }
    }

    private func wait(as number: Int, unless isCancelled: () -> Bool) async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.result != nil || isCancelled() { return true }
                state.waiters[number] = continuation
                return false
            }
            if isOver { continuation.resume() }
        }
    }
}
