internal import NIOCore
internal import Synchronization

/// What the windows of all streams of a connection share: by how much they may grow together, and what they know of the path.
final class MultiplexedAllowance: Sendable {
    private struct State {
        var byteCount: Int
        var roundTrip: TimeAmount?
    }

    private let state: Mutex<State>

    init(byteCount: Int = 64 << 20) { state = Mutex(State(byteCount: byteCount)) }

    /// The shortest round trip there was, which is that of the path without queues.
    var roundTrip: TimeAmount? { state.withLock { $0.roundTrip } }

    /// A round trip was measured.
    func note(roundTrip: TimeAmount) {
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
