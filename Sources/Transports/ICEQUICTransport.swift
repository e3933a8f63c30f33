// urn:sleigh:jingle:transports:ice-quic:0, as Wire/ICE-QUIC.md describes it.
public import ICE
public import Jingle
public import SecureChannels
import Synchronization

/// Negotiates one path to a peer with ICE and connects QUIC over it.
///
/// Order of use: ``run()`` in a child task, then ``localDescription()`` for the offer or answer, ``receive(_:)`` for
/// everything the peer signals, ``nextTransportInfo()`` in a loop for what is to be signalled later, and ``connect()``
/// once the answer is there. End with ``close()``.
public final class ICEQUICTransport: TransportMethod {
    /// How long after the start the first description may still wait for candidates that need a server's answer. Those
    /// that come later cost a stanza of their own, but hold nothing back.
    private static let patience = Duration.milliseconds(50)
    /// How long a relay waits for a direct pair: for a check that was lost, and its repetition after 500 ms.
    private static let relayPatience = Duration.milliseconds(800)
    /// How long after the last candidate every check has been repeated for the last time.
    private static let checksDuration = Duration.seconds(2)
    /// How long later candidates wait for others, to be told in one stanza.
    private static let gatheringPause = Duration.milliseconds(20)
    /// How long ICE may look for a path to a peer that does not say that it has no more candidates. The agent's own
    /// limit on the checks follows.
    private static let signallingLimit = Duration.seconds(20)

    private let allowed: AllowedPaths
    private let certificate: DeviceCertificate
    private let options: QUICOptions
    let agent: ICEAgent
    private let takeover: SocketTakeover
    /// Looks for TCP connections too, if they are allowed.
    let direct: DirectTCPTransport?
    private let started = ContinuousClock.now
    let state: Mutex<State>
    private let candidatesChanged: (AsyncStream<Void>, AsyncStream<Void>.Continuation)
    private let gathered: (AsyncStream<Void>, AsyncStream<Void>.Continuation)
    private let outcome: (AsyncStream<Outcome>, AsyncStream<Outcome>.Continuation)

    private enum Outcome: Sendable {
        case selected(ICESelectedPair)
        case failed([ICEObstacle])
    }

    struct State {
        var unsent: [ICECandidateDescription] = []
        var candidateCount = 0
        var isGatheringComplete = false
        var isCompletionSent = false
        var remoteCredentials: ICEUDPTransportDescription.Credentials?
        var remoteDirect: ICEQUICTransportDescription.Direct?
        var handshake: HandshakeRoles
        /// Whether the peer has named an address of its own, and whether it may still do so.
        var hasRemoteAddress = false
        var isRemoteGatheringComplete = false
        /// When the last candidate of either side was known.
        var lastCandidate = ContinuousClock.now
        var pair: ICESelectedPair?
        /// The peer's relays, where relays may not be used: it may send through them all the same.
        var refusedRelays: Set<String> = []
    }

    /// Creates a transport and starts to gather candidates.
    ///
    /// - Parameters:
    ///   - role: whether we offer this transport (`initiator`) or answer.
    ///   - allowed: the paths that may be used. When none of this transport is, the description has no addresses in it,
    ///     so that the peer fails at once too and goes on to the next transport.
    ///   - options: for QUIC.
    /// - Throws: ``TransportFailure/unavailable(_:)``.
    public init(
        role: JingleRole, certificate: DeviceCertificate, loop: ICELoop, configuration: ICEConfiguration,
        allowed: AllowedPaths = .all, options: QUICOptions = QUICOptions()
    ) throws(TransportFailure) {
        self.options = options
        state = Mutex(State(handshake: HandshakeRoles(isOfferer: role == .initiator)))
        self.allowed = allowed
        self.certificate = certificate
        do {
            agent = try ICEAgent(
                loop: loop, role: role == .initiator ? .controlling : .controlled, configuration: configuration)
        } catch {
            throw .unavailable("ICE cannot be started: \(error)")
        }
        takeover = SocketTakeover(isControlling: role == .initiator)
        direct =
            allowed.contains(.directTCP)
            ? DirectTCPTransport(
                certificate: certificate, addresses: configuration.directAddresses,
                allowsLoopback: !configuration.localAddresses.isEmpty) : nil
        candidatesChanged = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        gathered = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        outcome = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        if mayHaveUDP {
            agent.gather()
        } else {
            state.withLock { $0.isGatheringComplete = true }
            gathered.1.yield()
        }
    }

    private var mayHaveUDP: Bool { !allowed.isDisjoint(with: [.directUDP, .relay]) }

    /// The fingerprint the peer signalled, once it has.
    public var peerFingerprint: Fingerprint? { state.withLock { $0.handshake.agreement?.peerFingerprint } }

    /// Follows the agent until it is closed.
    public func run() async {
        for await event in agent.events {
            switch event {
            case .candidate(let candidate):
                state.withLock { state in
                    state.candidateCount += 1
                    state.lastCandidate = .now
                    state.unsent.append(ICECandidateDescription(candidate, id: "c\(state.candidateCount)"))
                }
                candidatesChanged.1.yield()
            case .gatheringDone:
                state.withLock { $0.isGatheringComplete = true }
                gathered.1.yield()
                candidatesChanged.1.yield()
            case .selectedPair(let pair):
                state.withLock { $0.pair = pair }
                outcome.1.yield(.selected(pair))
            case .stateChanged(.ready):
                takeover.noteReady()
            case .failed(let obstacles):
                outcome.1.yield(.failed(obstacles))
            case .stateChanged:
                break
            }
        }
        candidatesChanged.1.finish()
        gathered.1.finish()
        outcome.1.finish()
    }

    /// Our side for the offer or answer: credentials, fingerprint, and the candidates found so far.
    ///
    /// For an answer, the peer's offer must have been received before.
    public func localDescription() async -> ContentTransport {
        await withTaskGroup { group in
            group.addTask { for await _ in self.gathered.0 { return } }
            // The pause is for candidates found before `run` was called, which it has yet to read.
            let limit = max(self.started + Self.patience, .now + Self.gatheringPause)
            group.addTask { try? await Task.sleep(until: limit) }
            await group.next()
            group.cancelAll()
        }
        var description = description(withFingerprint: true)
        description.direct = await direct?.description()
        return .iceQUIC(description)
    }

    /// Waits for candidates not signalled yet, for a transport-info; `nil` when there will be no more.
    public func nextTransportInfo() async -> ContentTransport? {
        for await _ in candidatesChanged.0 {
            try? await Task.sleep(for: Self.gatheringPause)
            let isNews = state.withLock { state in
                !state.unsent.isEmpty || state.isGatheringComplete && !state.isCompletionSent
            }
            if isNews { return .iceQUIC(description(withFingerprint: false)) }
            if state.withLock({ $0.isCompletionSent }) { return nil }
        }
        return nil
    }

    /// Takes what the peer signals: its offer or answer, or more candidates.
    ///
    /// - Throws: ``TransportFailure/unusableDescription(_:)``.
    public func receive(_ remote: ContentTransport) throws(TransportFailure) {
        guard case .iceQUIC(let remote) = remote else { throw .unusableDescription("another transport") }
        if let fingerprint = remote.ice.fingerprint {
            try state.withLock { (state) throws(TransportFailure) in try state.handshake.receive(fingerprint) }
        }
        if let direct = remote.direct { state.withLock { $0.remoteDirect = $0.remoteDirect ?? direct } }
        if let credentials = remote.ice.credentials {
            let known = state.withLock { $0.remoteCredentials }
            guard known == nil || known == credentials else {
                throw .unusableDescription("other ICE credentials than before")
            }
            if known == nil {
                guard
                    let iceCredentials = ICECredentials(usernameFragment: credentials.ufrag, password: credentials.pwd)
                else { throw .unusableDescription("ICE credentials that are none") }
                state.withLock { $0.remoteCredentials = credentials }
                agent.setRemote(iceCredentials)
            }
        }
        state.withLock { state in
            if remote.ice.candidates.contains(where: { $0.kind != .relay }) { state.hasRemoteAddress = true }
            if !remote.ice.candidates.isEmpty { state.lastCandidate = .now }
            if remote.isGatheringComplete { state.isRemoteGatheringComplete = true }
        }
        agent.add(remote.ice.candidates.filter(isAllowed).compactMap { $0.candidate })
        if remote.isGatheringComplete { agent.remoteGatheringDone() }
    }

    private func isAllowed(_ candidate: ICECandidateDescription) -> Bool {
        guard candidate.kind == .relay, !allowed.contains(.relay) else { return true }
        state.withLock { _ = $0.refusedRelays.insert(candidate.ip) }
        return false
    }

    /// What is in the way of UDP and of TCP so far.
    public func obstacles() async -> [String] {
        (mayHaveUDP ? await agent.obstacles.map(\.description) : [Self.udpNotAllowed]) + reasonsAgainst(nil)
    }

    private static let udpNotAllowed = "UDP is not allowed here"

    /// Ends the search for paths; the connection that was chosen goes on. Safe to call more than once.
    public func close() {
        direct?.close()
        agent.close()
    }

    /// Waits for ICE to find a path, connects QUIC over it, and authenticates the peer.
    func connectOverICE(_ agreement: HandshakeRoles.Agreement) async throws -> QUICOverICE {
        guard mayHaveUDP else { throw TransportFailure.noPath([Self.udpNotAllowed]) }
        let pair = try await withThrowingTaskGroup(of: ICESelectedPair?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await self.selectedPair() }
            group.addTask {
                // A peer that never says so would keep us waiting for ever.
                try await Task.sleep(for: Self.signallingLimit)
                self.agent.remoteGatheringDone()
                return nil
            }
            for try await case let pair? in group { return pair }
            throw CancellationError()
        }
        guard state.withLock({ !$0.refusedRelays.contains(pair.remote.address.ip) }) else {
            throw TransportFailure.noPath(["no direct UDP path: only a relay of the peer's connects"])
        }
        let agent = agent
        let isRelayed = if case .direct = pair.path { false } else { true }
        let path = QueuedDatagramPath(
            isRelayed: isRelayed,
            send: { (batch, segmentByteCount) throws(QueuedDatagramPath.Loss) in
                do throws(ICEError) {
                    return min(
                        batch.count, try agent.send(batch, segmentByteCount: segmentByteCount) * segmentByteCount)
                } catch {
                    if case .relayLost = error { throw .init(why: "the connection to the TURN server was lost") }
                    // A closed agent takes nothing; the connection then ends by its idle time-out.
                    return 0
                }
            },
            takeOver: { [takeover] roundTripTime in takeover.attempt(agent, roundTripTime) },
            close: { agent.close() })
        guard let path else { throw TransportFailure.unavailable("no descriptor left") }
        agent.setReceiveHandler { path.deliver($0) }
        do {
            let channel = try await QUICChannel.connect(
                role: agreement.role == .server ? .server : .client, certificate: certificate,
                peerFingerprint: agreement.peerFingerprint, path: path, options: options)
            return QUICOverICE(channel: channel, transport: self, pair: pair)
        } catch ByteStreamError.peerNotAuthenticated {
            throw TransportFailure.peerNotAuthenticated
        } catch let error as ByteStreamError {
            throw TransportFailure.noPath(["ICE found a path, but QUIC did not connect over it: \(error)"])
        }
    }

    /// Whether there can be a direct pair: not when one side lets only relays be known.
    private var mayBeDirect: Bool {
        allowed.contains(.directUDP) && state.withLock { $0.hasRemoteAddress || !$0.isRemoteGatheringComplete }
    }

    /// Waits for the pair to begin with: the first, but a relay only when no direct pair turns up soon after.
    private func selectedPair() async throws -> ICESelectedPair {
        let first = try await nextPair()
        if case .direct = first.path { return first }
        guard mayBeDirect else { return first }
        return try await withThrowingTaskGroup(of: ICESelectedPair.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                while true {
                    let pair = try await self.nextPair()
                    if case .direct = pair.path { return pair }
                }
            }
            group.addTask {
                let checksEnd = self.state.withLock { $0.lastCandidate } + Self.checksDuration
                try await Task.sleep(until: min(.now + Self.relayPatience, checksEnd))
                return first
            }
            return try await group.next() ?? first
        }
    }

    private func nextPair() async throws -> ICESelectedPair {
        for await outcome in outcome.0 {
            switch outcome {
            case .selected(let pair): return pair
            case .failed(let obstacles): throw TransportFailure.noPath(obstacles.map(\.description))
            }
        }
        try Task.checkCancellation()
        throw TransportFailure.unavailable("ICE was closed")
    }

    private func description(withFingerprint: Bool) -> ICEQUICTransportDescription {
        let credentials = agent.localCredentials
        return state.withLock { state in
            let candidates = state.unsent
            state.unsent = []
            state.isCompletionSent = state.isGatheringComplete
            var ice = ICEUDPTransportDescription(
                credentials: ICEUDPTransportDescription.Credentials(
                    ufrag: credentials.usernameFragment, pwd: credentials.password))
            if withFingerprint { ice.fingerprint = state.handshake.description(of: certificate) }
            ice.candidates = candidates
            return ICEQUICTransportDescription(ice: ice, isGatheringComplete: state.isGatheringComplete)
        }
    }
}

extension ICECandidateDescription {
    fileprivate init(_ candidate: ICECandidate, id: String) {
        self.init(
            component: UInt8(candidate.component), foundation: candidate.foundation, id: id,
            ip: candidate.address.ip, network: 0, port: candidate.address.port, priority: candidate.priority,
            relAddr: candidate.relatedAddress?.ip, relPort: candidate.relatedAddress?.port,
            kind: Kind(candidate.kind))
    }

    /// The candidate for our agent; `nil` when it has no use for it, which is no fault of the peer's.
    fileprivate var candidate: ICECandidate? {
        try? ICECandidate(
            foundation: foundation, component: Int(component), priority: Int(priority), kind: kind.rawValue, ip: ip,
            port: Int(port), relatedIP: relAddr, relatedPort: relPort.map(Int.init))
    }
}

extension ICECandidateDescription.Kind {
    fileprivate init(_ kind: ICECandidate.Kind) {
        self =
            switch kind {
            case .host: .host
            case .serverReflexive: .srflx
            case .peerReflexive: .prflx
            case .relayed: .relay
            }
    }
}
