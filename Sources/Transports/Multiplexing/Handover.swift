internal import Synchronization

/// Hands elements from anywhere to tasks that wait for one, first come, first served, until it is over.
///
/// What nobody waits for is kept, up to a limit. What is there when it ends can still be taken.
final class Handover<Element: Sendable>: Sendable {
    private typealias Continuation = CheckedContinuation<Element, any Error>

    private struct State {
        var elements: [Element] = []
        var waiters: [(id: UInt64, continuation: Continuation)] = []
        var nextID: UInt64 = 0
        var end: (any Error)?
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Hands over an element; `false` when it is over or there is no room.
    @discardableResult
    func put(_ element: Element) -> Bool {
        let (isTaken, waiter) = state.withLock { state -> (Bool, Continuation?) in
            guard state.end == nil else { return (false, nil) }
            if !state.waiters.isEmpty { return (true, state.waiters.removeFirst().continuation) }
            guard state.elements.count < limit else { return (false, nil) }
            state.elements.append(element)
            return (true, nil)
        }
        waiter?.resume(returning: element)
        return isTaken
    }

    /// An element that is there already.
    func takeNow() -> Element? {
        state.withLock { $0.elements.isEmpty ? nil : $0.elements.removeFirst() }
    }

    /// Waits for an element.
    ///
    /// - Throws: the error it ended with, `CancellationError`.
    func next() async throws -> Element {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: Continuation) in
                let result: Result<Element, any Error>? = state.withLock { state in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if !state.elements.isEmpty { return .success(state.elements.removeFirst()) }
                    if let end = state.end { return .failure(end) }
                    state.waiters.append((id, continuation))
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0).continuation }
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    /// Ends it; whoever waits, or comes later and finds nothing, gets the error. After the first time this does nothing.
    func finish(throwing error: any Error) {
        let waiters = state.withLock { state in
            if state.end == nil { state.end = error }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(throwing: error) }
    }
}
