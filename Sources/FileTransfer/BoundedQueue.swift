/// A short queue between one worker thread and one task, in either direction.
///
/// The thread's side blocks, the task's side awaits. A full queue holds the producer back, so memory stays bounded by
/// ``limit``.
final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    // @unchecked: every variable is only touched with the lock held.

    /// How many elements fit.
    let limit: Int

    private enum State {
        case open
        /// No more elements come; those queued are still to be taken.
        case finished(LocalFileError?)
        /// Nobody wants the elements any more.
        case abandoned(LocalFileError?)
    }

    private let lock = ThreadLock()
    private var state = State.open
    private var elements: [Element] = []
    private var waiter: CheckedContinuation<Void, Never>?

    init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// Says that no more elements come. Takers get what is queued, then the end or the error.
    func finish(throwing error: LocalFileError? = nil) {
        change {
            if case .open = state { state = .finished(error) }
        }
    }

    /// Drops what is queued. Producers are told to stop, takers that this is the end, or get the error.
    func abandon(throwing error: LocalFileError? = nil) {
        change {
            if case .abandoned = state { return }
            state = .abandoned(error)
            elements = []
        }
    }

    // MARK: The thread's side

    /// Appends an element, blocking while the queue is full.
    ///
    /// - Returns: whether anybody still wants elements.
    func put(_ element: Element) -> Bool {
        let (isWanted, waiter) = lock.withLock { () -> (Bool, CheckedContinuation<Void, Never>?) in
            while case .open = state, elements.count >= limit { lock.wait() }
            guard case .open = state else { return (false, nil) }
            elements.append(element)
            return (true, takeWaiter())
        }
        waiter?.resume()
        return isWanted
    }

    /// Takes the next element, blocking while there is none; `nil` at the end.
    func take() -> Element? {
        let (element, waiter) = lock.withLock { () -> (Element?, CheckedContinuation<Void, Never>?) in
            while case .open = state, elements.isEmpty { lock.wait() }
            guard !elements.isEmpty else { return (nil, nil) }
            return (elements.removeFirst(), takeWaiter())
        }
        waiter?.resume()
        return element
    }

    // MARK: The task's side

    /// Appends an element, awaiting room for it.
    ///
    /// - Throws: the error the queue was abandoned or finished with, or `CancellationError`; the element is then not
    ///   queued.
    func send(_ element: Element) async throws {
        while true {
            try Task.checkCancellation()
            let result = lock.withLock { () -> Result<Bool, LocalFileError> in
                switch state {
                case .open:
                    guard elements.count < limit else { return .success(false) }
                    elements.append(element)
                    lock.announce()
                    return .success(true)
                case .finished(let error), .abandoned(let error):
                    return .failure(error ?? .aborted(name: "the file"))
                }
            }
            if try result.get() { return }
            await waitForChange { elements.count >= limit }
        }
    }

    /// Takes the next element, awaiting one; `nil` at the end.
    ///
    /// - Throws: the error the queue was finished or abandoned with, or `CancellationError`; no element is lost then.
    func next() async throws -> Element? {
        while true {
            try Task.checkCancellation()
            let result = lock.withLock { () -> Result<Element?, LocalFileError>? in
                if !elements.isEmpty {
                    lock.announce()
                    return .success(elements.removeFirst())
                }
                switch state {
                case .open: return nil
                case .finished(let error), .abandoned(let error):
                    return error.map { .failure($0) } ?? .success(nil)
                }
            }
            if let result { return try result.get() }
            await waitForChange { elements.isEmpty }
        }
    }

    private func waitForChange(while isStuck: () -> Bool) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = lock.withLock { () -> Bool in
                    guard case .open = state, isStuck(), !Task.isCancelled else { return true }
                    precondition(waiter == nil, "one task at a time uses a queue")
                    waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            lock.withLock { takeWaiter() }?.resume()
        }
    }

    private func change(_ body: () -> Void) {
        let waiter = lock.withLock { () -> CheckedContinuation<Void, Never>? in
            body()
            return takeWaiter()
        }
        waiter?.resume()
    }

    /// With the lock held: wakes the thread, and hands over the waiting task to be resumed outside the lock.
    private func takeWaiter() -> CheckedContinuation<Void, Never>? {
        lock.announce()
        defer { waiter = nil }
        return waiter
    }
}
