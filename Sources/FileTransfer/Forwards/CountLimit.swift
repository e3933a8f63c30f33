import Synchronization

/// Counts what there is of something, up to a limit.
final class CountLimit: Sendable {
    private let limit: Int
    private let count = Mutex(0)

    init(_ limit: Int) { self.limit = limit }

    /// Counts one more, unless there are so many; `false` then. Whoever gets `true` gives it back.
    func take() -> Bool {
        count.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
    }

    /// Counts one less.
    func giveBack() { count.withLock { $0 -= 1 } }
}
