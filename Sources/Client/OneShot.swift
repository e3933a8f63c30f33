internal import Synchronization

/// A value that becomes known once, and for which any number of tasks may wait.
final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case pending(waiters: [Int: CheckedContinuation<Value?, Never>], nextNumber: Int)
        case known(Value)
    }

    private let state = Mutex(State.pending(waiters: [:], nextNumber: 0))

    /// Makes the value known; only the first call counts, and it returns true.
    @discardableResult
    func fulfil(_ value: Value) -> Bool {
        let waiters: [CheckedContinuation<Value?, Never>]? = state.withLock { state in
            guard case .pending(let waiters, _) = state else { return nil }
            state = .known(value)
            return Array(waiters.values)
        }
        waiters?.forEach { $0.resume(returning: value) }
        return waiters != nil
    }

    /// The value, if it is known by now.
    var current: Value? {
        state.withLock { if case .known(let value) = $0 { value } else { nil } }
    }

    /// The value, once it is known.
    ///
    /// - Throws: `CancellationError` when the waiting task is cancelled first.
    var value: Value {
        get async throws(CancellationError) {
            let number = state.withLock { state in
                guard case .pending(let waiters, let number) = state else { return 0 }
                state = .pending(waiters: waiters, nextNumber: number + 1)
                return number
            }
            let value = await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let known: Value?? = state.withLock { state in
                        switch state {
                        case .known(let value): return .some(value)
                        case .pending(var waiters, let next):
                            // The handler of a cancelled task runs before or after this, and finds nothing before.
                            if Task.isCancelled { return .some(nil) }
                            waiters[number] = continuation
                            state = .pending(waiters: waiters, nextNumber: next)
                            return nil
                        }
                    }
                    if let known { continuation.resume(returning: known) }
                }
            } onCancel: {
                let waiter: CheckedContinuation<Value?, Never>? = state.withLock { state in
                    guard case .pending(var waiters, let next) = state else { return nil }
                    let waiter = waiters.removeValue(forKey: number)
                    state = .pending(waiters: waiters, nextNumber: next)
                    return waiter
                }
                waiter?.resume(returning: nil)
            }
            guard let value else { throw CancellationError() }
            return value
        }
    }
}
