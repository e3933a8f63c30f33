internal import Synchronization

/// A bounded queue from anywhere to one task at a time. Unlike an `AsyncStream` it outlives a reader that is cancelled.
final class Mailbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Appends an element; `false` when there is no room.
    @discardableResult
    func put(_ element: Element) -> Bool {
        let (isTaken, waiter) = state.withLock { state in
            guard state.elements.count < limit else { return (false, nil as CheckedContinuation<Void, Never>?) }
            state.elements.append(element)
            return (true, state.waiter.take())
        }
        waiter?.resume()
        return isTaken
    }

    /// Waits for the next element. For one reader at a time.
    ///
    /// - Throws: `CancellationError`.
    func next() async throws -> Element {
        while true {
            try Task.checkCancellation()
            if let element = state.withLock({ $0.elements.isEmpty ? nil : $0.elements.removeFirst() }) {
                return element
            }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isOver = state.withLock { state in
                        if !state.elements.isEmpty || Task.isCancelled { return true }
                        precondition(state.waiter == nil, "one reader at a time")
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
}
