// Wire/Jingle-Bench.md: one phase, on the side that sends and on the one that receives.
internal import Jingle
internal import Transports

/// What a side has of a phase that is over.
struct BenchOutcome: Sendable {
    /// What this side knows.
    var own: BenchAccount
    /// What the responder knows, when this is the initiator.
    var peer: BenchAccount?
    /// Round trips of pings while the warm path was full.
    var pings: [Duration] = []
}

/// How a phase is followed while it goes on.
struct BenchFollowing: Sendable {
    /// Whether this side began the phase, and so awaits the peer's account of it.
    var isInitiator: Bool
    /// Takes each sample.
    var sampled: @Sendable (BenchSample) -> Void
}

extension BenchLink {
    /// How often the receiver tells what has arrived.
    static let interval = Duration.milliseconds(100)
    /// How long the first byte of a phase may take.
    private static let firstByteLimit = Duration.seconds(30)
    /// How long the end of a phase may take, beyond its time: the path still holds much.
    private static let endLimit = Duration.seconds(60)

    /// Tells the time in a phase.
    private struct Clock {
        let phase: BenchPhase
        let started = ContinuousClock.now
        private var next: ContinuousClock.Instant

        init(_ phase: BenchPhase) {
            self.phase = phase
            next = started + BenchLink.interval
        }

        /// How long to wait for the next sample.
        var untilNext: Duration { max(.zero, next - .now) }

        /// Whether the next sample is due, and if so, goes on to the one after it; those that were missed are left out.
        ///
        /// To be asked after each event too: where processors are scarce, one is always there when the time is up.
        mutating func isDue() -> Bool {
            guard next <= .now else { return false }
            next += BenchLink.interval
            if next < .now { next = .now + BenchLink.interval }
            return true
        }

        func check(hasBegun: Bool) throws(TransferError) {
            let elapsed = .now - started
            guard hasBegun || elapsed < BenchLink.firstByteLimit else {
                throw .interrupted(byteCount: 0, "nothing came of what was to be measured")
            }
            guard elapsed < phase.length + BenchLink.firstByteLimit + BenchLink.endLimit else {
                throw .interrupted(byteCount: 0, "the peer does not end what was to be measured")
            }
        }
    }

    /// What is counted on this side during a phase.
    private struct Meter {
        private let processorTime = ProcessorTime.now
        private let statistics: CarrierStatistics
        var roundTrips: [Duration] = []

        init(_ connection: any PeerConnection) { statistics = connection.statistics }

        /// The account of a phase in which so many bytes were sent, or received.
        func account(byteCount: UInt64, sentOver connection: (any PeerConnection)?) -> BenchAccount {
            var account = BenchAccount()
            account.processorMicroseconds = (ProcessorTime.now - processorTime).microseconds
            account.byteCount = byteCount
            guard let now = connection?.statistics else { return account }
            func difference(_ field: KeyPath<CarrierStatistics, UInt64?>) -> UInt64? {
                guard let last = now[keyPath: field], let first = statistics[keyPath: field] else { return nil }
                return last - min(first, last)
            }
            account.sentPacketCount = difference(\.sentPacketCount)
            account.lostPacketCount = difference(\.lostPacketCount)
            account.repeatedPacketCount = difference(\.repeatedPacketCount)
            let trips = BenchRoundTrips(.carrier, roundTrips)
            account.leastRoundTrip = trips?.least.microseconds
            account.medianRoundTrip = trips?.median.microseconds
            account.mostRoundTrip = trips?.most.microseconds
            return account
        }
    }

    /// Sends the filling of a phase until the receiver has seen enough, and all of it is written.
    ///
    /// - Throws: `TransferError`, `CancellationError`.
    func send(_ phase: BenchPhase, _ following: BenchFollowing) async throws -> BenchOutcome {
        var clock = Clock(phase)
        var meter = Meter(connection)
        let sending = BenchSending(limit: phase.byteLimit, started: clock.started)
        let pings = following.isInitiator && otherCount > 0
        var outcome = BenchOutcome(own: BenchAccount())
        var warm = false
        var isWritten = false
        fill(sending)
        while !(isWritten && (!following.isInitiator || outcome.peer != nil)) {
            switch try await events.next(within: clock.untilNext) {
            case .frame(.report(let arrival)):
                let sample = try sending.note(arrival, at: .now)
                warm = sample.time >= phase.warmUp
                following.sampled(sample)
                // With each report, not by the clock: the last one comes before the stop, so that there is one at least.
                if warm, let roundTrip = connection.statistics.roundTripTime { meter.roundTrips.append(roundTrip) }
                noteAllowance()
            case .frame(.stop):
                sending.stop()
                noteAllowance()
            case .frame(.result(let account)) where following.isInitiator:
                outcome.peer = try check(account, of: phase, since: clock.started)
            case .pong(let time): if pings, warm, !isWritten { outcome.pings.append(time) }
            case .written: isWritten = true
            // A stream that was there before the phase was known.
            case .streamAdded: break
            case .frame, .arrived: throw Self.untimely
            case nil: break
            }
            guard clock.isDue() else { continue }
            // The receiver's word may be lost in a path that is full, or be held back.
            if .now - clock.started > phase.length + Self.firstByteLimit {
                sending.stop()
                noteAllowance()
            }
            try clock.check(hasBegun: true)
            // Prosody's proxy holds the last bytes back until more come.
            if following.isInitiator, pings || isWritten { try ping() }
        }
        outcome.own = meter.account(byteCount: sending.sentByteCount, sentOver: connection)
        return outcome
    }

    /// Receives the filling of a phase, tells the sender what has arrived, and when it is enough.
    ///
    /// - Throws: `TransferError`, `CancellationError`.
    func receive(_ phase: BenchPhase, _ following: BenchFollowing) async throws -> BenchOutcome {
        var clock = Clock(phase)
        let meter = Meter(connection)
        let pings = following.isInitiator && otherCount > 0
        var outcome = BenchOutcome(own: BenchAccount())
        var byteCount: UInt64?
        var lastByteCount: UInt64 = 0
        var isStopped = false
        beginReceiving()
        func look() throws {
            guard let sample = arrival(at: .now), !isStopped else { return }
            following.sampled(sample)
            try say(
                .report(BenchArrival(microseconds: sample.time.microseconds, byteCount: sample.byteCount)))
            if sample.time >= phase.length, byteCount == nil {
                isStopped = true
                try say(.stop)
            }
        }
        while byteCount == nil || following.isInitiator && outcome.peer == nil {
            if byteCount == nil, hasArrived {
                try look()
                byteCount = arrival(at: .now)?.byteCount ?? 0
                endReceiving()
                continue
            }
            switch try await events.next(within: clock.untilNext) {
            case .arrived, .streamAdded: break
            case .frame(.result(let account)) where following.isInitiator:
                outcome.peer = try check(account, of: phase, since: clock.started)
            case .pong(let time):
                if pings, !isStopped, let sample = arrival(at: .now), sample.time >= phase.warmUp {
                    outcome.pings.append(time)
                }
            case .frame, .written: throw Self.untimely
            case nil: break
            }
            guard clock.isDue() else { continue }
            try look()
            try clock.check(hasBegun: byteCount != nil || arrival(at: .now) != nil)
            let arrived = arrival(at: .now)?.byteCount ?? 0
            // What the peer answers brings what a proxy holds back.
            if following.isInitiator, pings || arrived == lastByteCount { try ping() }
            lastByteCount = arrived
        }
        outcome.own = meter.account(byteCount: byteCount ?? 0, sentOver: nil)
        return outcome
    }

    private static var untimely: TransferError { .protocolViolation("it says something out of turn") }

    /// The most that a peer's account may say, for a phase that took so long.
    private func check(
        _ account: BenchAccount, of phase: BenchPhase, since started: ContinuousClock.Instant
    ) throws(TransferError) -> BenchAccount {
        let elapsed = (.now - started + .seconds(1)).microseconds
        // No host has more processors than that.
        guard account.processorMicroseconds ?? 0 <= elapsed * 4096,
            account.byteCount ?? 0 <= BenchPhase.byteCountLimit + UInt64(BenchFrame.dataByteCountLimit),
            [account.sentPacketCount, account.lostPacketCount, account.repeatedPacketCount]
                .allSatisfy({ $0 ?? 0 <= BenchPhase.byteCountLimit }),
            account.leastRoundTrip ?? 0 <= account.medianRoundTrip ?? .max,
            account.medianRoundTrip ?? 0 <= account.mostRoundTrip ?? .max,
            account.mostRoundTrip ?? 0 <= 600_000_000
        else { throw .protocolViolation("it gives an account that cannot be true") }
        return account
    }
}

extension Duration {
    /// The whole microseconds in it; 0 when it is negative.
    var microseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds)) * 1_000_000 + UInt64(max(0, attoseconds) / 1_000_000_000_000)
    }
}
