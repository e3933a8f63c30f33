// Wire/Jingle-Bench.md: a measurement, from the offer of its session to its end.
import Jingle
import Transports
import XMPP

/// A measurement that was offered or accepted in a session.
struct BenchSession: Sendable {
    /// How many pings are answered before anything else is under way, how far apart they are, and how long that may take.
    private static let pingCount = 20
    private static let pingInterval = Duration.milliseconds(20)
    private static let pingLimit = Duration.seconds(10)
    /// How long a path warms up: as long, and so many round trips, but no longer than the last.
    private static let warmUp = (base: Duration.seconds(1), roundTripCount: 20, most: Duration.seconds(5))
    /// How long the initiator may let the responder wait for the next phase.
    private static let idleLimit = Duration.seconds(60)
    /// How much the receiver of a phase may say after its end.
    private static let lateLimit = 64

    let service: TransferService
    let session: JingleSessionHandle
    let content: ContentID
    let negotiation: TransportNegotiation
    /// What is to be measured, as the initiator; `nil` as the responder.
    let options: BenchOptions?
    /// When the peer was asked.
    let asked: ContinuousClock.Instant
    let recorder: BenchRecorder
    let report: @Sendable (BenchEvent) -> Void

    private let offered = ContinuousClock.now
    private let accepted = AsyncStream.makeStream(of: Void.self)
    private let position = TransferPosition()

    init(
        service: TransferService, session: JingleSessionHandle, content: ContentID, negotiation: TransportNegotiation,
        options: BenchOptions?, asked: ContinuousClock.Instant, recorder: BenchRecorder,
        report: @escaping @Sendable (BenchEvent) -> Void
    ) {
        self.service = service
        self.session = session
        self.content = content
        self.negotiation = negotiation
        self.options = options
        self.asked = asked
        self.recorder = recorder
        self.report = report
    }

    /// Runs until the initiator has measured everything, or the session ends otherwise.
    func run() async throws {
        recorder.note { $0.peer = session.peer }
        negotiation.begin(session)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await follow() }
            group.addTask {
                try await measure()
                return true
            }
            for try await isDone in group where isDone { return }
            throw CancellationError()
        }
    }

    /// Follows the session's events; returns whether the initiator says that it has everything.
    private func follow() async throws -> Bool {
        for await event in session.events {
            try await negotiation.take(event)
            switch event {
            case .accepted:
                report(.session(.accepted(by: session.peer)))
                accepted.continuation.yield()
            case .ended(.local): return false
            case .ended(.peer(let reason))
            where reason?.condition == .success && position.isConnected && options == nil:
                return true
            case .ended(.peer(let reason))
            where reason?.condition == .cancel && options == nil && !position.isConnected:
                throw TransferError.withdrawn(session.peer)
            case .ended(let end):
                throw TransferError(
                    end, peer: session.peer, byteCount: position.byteCount, isConnected: position.isConnected)
            default: break
            }
        }
        try Task.checkCancellation()
        guard position.isConnected else {
            throw TransferError.serverConnectionLost("it closed during the negotiation")
        }
        return false
    }

    private func measure() async throws {
        let (connection, stream) = try await negotiation.firstStream(
            of: content, in: session, as: options == nil ? .responder : .initiator, accepted: accepted.stream,
            position: position)
        do {
            if let fingerprint = negotiation.peerFingerprint { try service.trust.confirm(session.peer, fingerprint) }
            recorder.note { $0.path = connection.path }
            report(
                .session(
                    .connected(connection.path, peer: session.peer, fingerprint: negotiation.peerFingerprint)))
            let link = BenchLink(connection, first: stream)
            try await withThrowingTaskGroup(of: Bool.self) { group in
                defer { group.cancelAll() }
                group.addTask {
                    try await link.run()
                    throw ByteStreamError.closed("the peer ended the stream")
                }
                if options == nil, connection.carriesManyStreams {
                    group.addTask { try await acceptStreams(of: connection, link) }
                }
                group.addTask {
                    if let options { try await lead(link, options) } else { try await serve(link) }
                    return true
                }
                for try await isDone in group where isDone { break }
            }
            await session.terminate(Reason(.success))
            await connection.close()
        } catch let error as ByteStreamError {
            await connection.close()
            throw try await position.interruption(by: error, peer: session.peer)
        } catch {
            // First the session, so that the peer learns the reason before its stream breaks off.
            await session.terminate(Reason(ending: error))
            await connection.close(code: StreamErrorCode(ending: error).rawValue)
            throw error
        }
    }

    // MARK: The initiator

    /// Measures everything.
    private func lead(_ link: BenchLink, _ options: BenchOptions) async throws {
        let idle = try await pingIdlePath(link)
        var streamCount: UInt16 = 0
        if link.connection.carriesManyStreams {
            streamCount = max(1, min(options.streamCount, BenchPhase.streamCountLimit))
            for _ in 0..<streamCount {
                link.add(try await link.connection.openStream(contentName: content.name))
            }
        }
        let warmUp = min(Self.warmUp.base + idle * Self.warmUp.roundTripCount, Self.warmUp.most)
        for direction in BenchPhase.Direction.allCases {
            let phase = BenchPhase(
                direction, streamCount: streamCount, warmUpMilliseconds: UInt32(clamping: warmUp.microseconds / 1000),
                durationMilliseconds: options.byteCount == nil
                    ? UInt32(clamping: options.duration.microseconds / 1000) : BenchPhase.durationLimit,
                byteLimit: options.byteCount ?? BenchPhase.byteCountLimit)
            try link.say(.start(phase))
            try await run(phase, link, isInitiator: true)
        }
    }

    /// The round trip of pings while nothing else is under way: the one in the middle.
    private func pingIdlePath(_ link: BenchLink) async throws -> Duration {
        var measured: [Duration] = []
        let end = ContinuousClock.now + Self.pingLimit
        while measured.count < Self.pingCount, measured.isEmpty || .now < end {
            try link.ping()
            guard case .pong(let time)? = try await link.events.next(within: Self.pingLimit) else {
                throw TransferError.interrupted(byteCount: 0, "a ping was not answered")
            }
            if measured.isEmpty {
                let now = ContinuousClock.now
                recorder.note {
                    $0.connectDuration = now - offered
                    $0.setUpDuration = now - asked
                }
            }
            measured.append(time)
            try await Task.sleep(for: Self.pingInterval)
        }
        let trips = BenchRoundTrips(.ping, measured)
        let carrier = link.connection.statistics.roundTripTime
        recorder.note {
            $0.idleRoundTrips = trips
            $0.carrierRoundTrip = carrier
        }
        return trips?.median ?? .zero
    }

    // MARK: The responder

    /// Does what the initiator asks for, until it asks for too much or for nothing any more.
    private func serve(_ link: BenchLink) async throws {
        for _ in 0..<BenchPhase.countLimit {
            let phase = try await nextPhase(link)
            let outcome = try await run(phase, link, isInitiator: false)
            try link.say(.result(outcome.own))
        }
        // The end of the session is all that may follow.
        _ = try await link.events.next(within: Self.idleLimit)
        throw TransferError.protocolViolation("it asks for more than is measured")
    }

    private func nextPhase(_ link: BenchLink) async throws -> BenchPhase {
        var phase: BenchPhase?
        var lateCount = 0
        while true {
            // The streams may come later than what is said on the first.
            if let phase, link.otherCount == Int(phase.streamCount) { return phase }
            switch try await link.events.next(within: Self.idleLimit) {
            case .frame(.start(let next)) where phase == nil: phase = next
            case .streamAdded, .arrived: continue
            // What the receiver of the last phase said before it knew that this was all.
            case .frame(.report) where lateCount < Self.lateLimit, .frame(.stop) where lateCount < Self.lateLimit:
                lateCount += 1
            case .frame, .pong, .written:
                throw TransferError.protocolViolation("it says something out of turn")
            case nil: throw TransferError.interrupted(byteCount: 0, "the peer asks for nothing any more")
            }
        }
    }

    private func acceptStreams(of connection: any PeerConnection, _ link: BenchLink) async throws -> Bool {
        for _ in 0..<BenchPhase.streamCountLimit {
            let (name, stream) = try await connection.acceptStream()
            guard name == content.name else {
                throw TransferError.protocolViolation("the peer opened a stream for another content")
            }
            link.add(stream)
            link.events.put(.streamAdded)
        }
        return false
    }

    // MARK: A phase

    @discardableResult
    private func run(_ phase: BenchPhase, _ link: BenchLink, isInitiator: Bool) async throws -> BenchOutcome {
        let direction = BenchResult.Direction(
            phase.direction, streamCount: max(1, Int(phase.streamCount)), warmUp: phase.warmUp)
        recorder.note { $0.directions.append(direction) }
        report(.began(phase))
        let following = BenchFollowing(isInitiator: isInitiator) { sample in
            recorder.noteDirection { $0.samples.append(sample) }
            position.advance(to: Int64(clamping: sample.byteCount))
            report(.progress(byteCount: sample.byteCount))
        }
        let sends = (phase.direction == .up) == isInitiator
        let outcome = try await sends ? link.send(phase, following) : link.receive(phase, following)
        let sender = sends ? outcome.own : outcome.peer
        let receiver = sends ? outcome.peer : outcome.own
        recorder.noteDirection { direction in
            direction.byteCount = receiver?.byteCount ?? direction.samples.last?.byteCount
            direction.processorTime = outcome.own.processorTime
            direction.peerProcessorTime = outcome.peer?.processorTime
            direction.sentPacketCount = sender?.sentPacketCount
            direction.lostPacketCount = sender?.lostPacketCount
            direction.repeatedPacketCount = sender?.repeatedPacketCount
            direction.carrierRoundTrips = sender?.roundTrips
            direction.roundTrips = BenchRoundTrips(.ping, outcome.pings) ?? direction.carrierRoundTrips
            direction.isComplete = true
        }
        report(.ended(phase))
        return outcome
    }
}

extension BenchAccount {
    fileprivate var processorTime: Duration? {
        processorMicroseconds.map { .microseconds(Int64(clamping: $0)) }
    }

    fileprivate var roundTrips: BenchRoundTrips? {
        guard let leastRoundTrip, let medianRoundTrip, let mostRoundTrip else { return nil }
        return BenchRoundTrips(
            .carrier, least: .microseconds(Int64(clamping: leastRoundTrip)),
            median: .microseconds(Int64(clamping: medianRoundTrip)),
            most: .microseconds(Int64(clamping: mostRoundTrip)))
    }
}
