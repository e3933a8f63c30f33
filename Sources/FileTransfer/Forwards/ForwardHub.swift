import Synchronization

/// The session that connections go through, while there is one.
final class ForwardHub: Sendable {
    private struct State {
        var link: ForwardLink?
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())

    /// The session's link. Setting one wakes those who wait for it.
    var link: ForwardLink? {
        get { state.withLock { $0.link } }
        set {
            let waiters = state.withLock { state in
                state.link = newValue
                guard newValue != nil else { return [:] as [UInt64: CheckedContinuation<Void, Never>] }
                defer { state.waiters = [:] }
                return state.waiters
            }
            for waiter in waiters.values { waiter.resume() }
        }
    }

    /// The session's link, as soon as there is one; `nil` when there is none by then, or the task is cancelled.
    func link(within limit: Duration) async -> ForwardLink? {
        if let link { return link }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait() }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
        return link
    }

    private func wait() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.link != nil || Task.isCancelled { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }
}
