internal import Synchronization

/// Holds what is known of a path so far, also when the measurement is broken off.
public final class BenchRecorder: Sendable {
    private let state = Mutex(BenchResult())

    /// Begins with nothing.
    public init() {}

    /// What is known so far.
    public var result: BenchResult { state.withLock { $0 } }

    func note(_ change: (inout BenchResult) -> Void) { state.withLock { change(&$0) } }

    /// Notes something of the direction that is being measured.
    func noteDirection(_ change: (inout BenchResult.Direction) -> Void) {
        state.withLock { result in
            guard !result.directions.isEmpty else { return }
            change(&result.directions[result.directions.count - 1])
        }
    }
}
