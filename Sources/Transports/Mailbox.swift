internal import Synchronization

/// A bounded queue from anywhere to one task at a time. Unlike an `AsyncStream` it outlives a reader that is cancelled.
package final class Mailbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let limit: Int
    private let state = Mutex(State())

    /// Creates a mailbox for so many elements.
    package init(limit: Int) { self.limit = limit }

    /// Appends an element; `false` when there is no room.
    @discardableResult
    package func put(_ element: Element) -> Bool {
        let (isTaken, waiter) = state.withLock { state in
            guard state.elements.count < limit else { return (false, nil as CheckedContinuation<Void, Never>?) }
            state.elements.append(element)
            return (true, state.waiter.take())
        }
        waiter?.resume()
        return isTaken
    }

    /// Appends an element whether there is room or not, when few more follow.
    func putLast(_ element: Element) {
        let waiter = state.withLock { state in
            state.elements.append(element)
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Drops the elements that are of no use any more.
    func removeAll(where isUseless: @Sendable (Element) -> Bool) {
        state.withLock { $0.elements.removeAll(where: isUseless) }
    }

    /// Gives an element back that was taken and not used; it is the next again.
    func putBack(_ element: Element) {
        let waiter = state.withLock { state in
            state.elements.insert(element, at: 0)
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Waits for the next element. For one reader at a time.
    ///
    /// - Throws: `CancellationError`.
    package func next() async throws -> Element {
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

    /// Waits for the next element for a time; `nil` when there is none by then. For one reader at a time.
    ///
    /// - Throws: `CancellationError`.
    package func next(within limit: Duration) async throws -> Element? {
        let element = try await withThrowingTaskGroup(of: Element?.self) { group -> Element? in
            group.addTask { try await self.next() }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            if let first = try await group.next(), let first { return first }
            // What came in the last moment must not be lost.
            group.cancelAll()
            guard let last = try? await group.next() else { return nil }
            return last
        }
        try Task.checkCancellation()
        return element
    }
}
