internal import Jingle
internal import Synchronization

/// How much of a phase may be sent, shared by its streams.
///
/// No more is under way than what the receiver takes in two seconds, so that the end of the phase is not minutes behind
/// what a slow path still holds.
final class BenchSending: Sendable {
    /// What a stream may do.
    enum Verdict: Hashable {
        case send(byteCount: Int)
        /// Wait until there is news.
        case wait
        case over
    }

    /// What may be under way before the first report.
    private static let firstAllowance: UInt64 = 512 * 1024
    /// The rate is what arrived in this time; four times as much may be under way.
    private static let rateSpan = Duration.milliseconds(500)
    /// How much sooner than agreed the receiver may report, over the whole phase.
    private static let earlyReportCount = 20
    private static let leastReportInterval = Duration.milliseconds(50)
    /// How far the receiver's clock may be ahead.
    private static let clockTolerance = Duration.seconds(1)

    private struct State {
        var sentByteCount: UInt64 = 0
        var recent: [BenchSample] = [BenchSample(time: .zero, byteCount: 0)]
        var reportCount = 0
        var isStopped = false
        var endedCount = 0
    }

    private let limit: UInt64
    private let started: ContinuousClock.Instant
    private let state = Mutex(State())

    init(limit: UInt64, started: ContinuousClock.Instant) {
        self.limit = limit
        self.started = started
    }

    var sentByteCount: UInt64 { state.withLock { $0.sentByteCount } }

    /// Asks for permission to send at most so many bytes, which must then be sent.
    func claim(_ most: Int) -> Verdict {
        state.withLock { state in
            guard !state.isStopped, state.sentByteCount < limit else { return .over }
            let last = state.recent.last?.byteCount ?? 0
            let earlier = state.recent.first?.byteCount ?? 0
            let allowance = max(Self.firstAllowance, 4 * (last - earlier))
            let next = min(UInt64(most), limit - state.sentByteCount)
            guard state.sentByteCount - last + next <= allowance else { return .wait }
            state.sentByteCount += next
            return .send(byteCount: Int(next))
        }
    }

    /// Takes what the receiver tells.
    ///
    /// - Returns: what is known now.
    /// - Throws: `TransferError.protocolViolation` when it cannot be true.
    func note(_ arrival: BenchArrival, at now: ContinuousClock.Instant) throws(TransferError) -> BenchSample {
        let elapsed = now - started
        return try state.withLock { (state) throws(TransferError) in
            let sample = BenchSample(time: arrival.time, byteCount: arrival.byteCount)
            let last = state.recent.last ?? sample
            guard sample.time >= last.time, sample.byteCount >= last.byteCount else {
                throw .protocolViolation("it reports less than before")
            }
            guard sample.byteCount <= state.sentByteCount, sample.time <= elapsed + Self.clockTolerance else {
                throw .protocolViolation("it reports more than there is")
            }
            state.reportCount += 1
            guard state.reportCount <= Self.earlyReportCount + Int(elapsed / Self.leastReportInterval) else {
                throw .protocolViolation("it reports too often")
            }
            state.recent.append(sample)
            while state.recent.count > 2, sample.time - state.recent[1].time >= Self.rateSpan {
                state.recent.removeFirst()
            }
            return sample
        }
    }

    /// Sends no more.
    func stop() { state.withLock { $0.isStopped = true } }

    /// A stream has said that it sends no more of the phase.
    ///
    /// - Returns: how many have.
    func noteEnd() -> Int {
        state.withLock { state in
            state.endedCount += 1
            return state.endedCount
        }
    }
}
