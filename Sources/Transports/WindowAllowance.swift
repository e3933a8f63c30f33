internal import Synchronization

/// What the windows of all streams of a connection share: by how much they may grow together, and what they know of the path.
package final class WindowAllowance: Sendable {
    private struct State {
        var byteCount: Int
        var roundTrip: Duration?
    }

    private let state: Mutex<State>
    private let leastInterval: Duration
    private let measurement: @Sendable () -> Duration?

    /// Creates what streams share.
    ///
    /// - Parameters:
    ///   - byteCount: by how much all windows may grow together.
    ///   - leastInterval: where what passes between the bytes and their reader takes longer than the path's round trip.
    ///   - measurement: the path's round trip now, where nobody notes it.
    package init(
        byteCount: Int = 64 << 20, leastInterval: Duration = .zero,
        measurement: @escaping @Sendable () -> Duration? = { nil }
    ) {
        state = Mutex(State(byteCount: byteCount))
        self.leastInterval = leastInterval
        self.measurement = measurement
    }

    /// The shortest round trip there was, which is that of the path without queues.
    var roundTrip: Duration? { state.withLock { $0.roundTrip } ?? measurement() }

    /// A reader that empties its window sooner may be held back by it.
    var interval: Duration { max((roundTrip ?? .zero) * 2, leastInterval) }

    /// A round trip was measured.
    func note(roundTrip: Duration) {
        state.withLock { $0.roundTrip = min($0.roundTrip ?? roundTrip, roundTrip) }
    }

    /// Takes so many bytes, or what is left.
    func take(_ count: Int) -> Int {
        state.withLock { state in
            let taken = min(count, state.byteCount)
            state.byteCount -= taken
            return taken
        }
    }

    func giveBack(_ count: Int) { state.withLock { $0.byteCount += count } }
}
