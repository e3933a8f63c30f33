internal import CNice
internal import Glibc

extension AgentCore {
    /// What is known of the peer and the checks; on the loop's thread.
    struct Checking {
        var hasCredentials = false
        var isRemoteDone = false
        var hasLimit = false
        var hasEnded = false
        var componentState = NICE_COMPONENT_STATE_DISCONNECTED
        var remoteCandidates: [ICECandidate] = []
        var waitingCandidates: [ICECandidate] = []
        /// When the last pairs could be formed.
        var lastNews = ContinuousClock.now
    }

    /// After our checks have gone unanswered the peer's own may still revive a pair: they begin when it has got our
    /// candidates, by way of the servers.
    private static let signallingPatience = Duration.milliseconds(1500)
    /// The library's pause between two checks, and the shortest before it repeats one.
    private static let pacing = Duration.milliseconds(20)
    private static let shortestTimeout = Duration.milliseconds(500)
    /// The library's limit on pairs.
    private static let maximumPairCount = 100

    // MARK: - What the peer signals

    func setRemote(_ credentials: ICECredentials) {
        guard isOpen else { return }
        let isSet = nice_agent_set_remote_credentials(
            agent, stream, credentials.usernameFragment, credentials.password)
        guard isSet != 0 else { return }
        checking.hasCredentials = true
        cnice_for_each_socket(agent, stream, cnice_accept_checks)
        let waiting = checking.waitingCandidates
        checking.waitingCandidates = []
        check(waiting)
    }

    func add(_ candidates: [ICECandidate]) {
        guard isOpen else { return }
        var added: [ICECandidate] = []
        for candidate in candidates {
            guard checking.remoteCandidates.count < ICEConfiguration.maximumRemoteCandidateCount else { break }
            guard isUsable(candidate) else { continue }
            checking.remoteCandidates.append(candidate)
            added.append(candidate)
        }
        if checking.hasCredentials {
            check(added)
        } else {
            checking.waitingCandidates += added
        }
    }

    func finishRemoteGathering() {
        guard isOpen, !checking.isRemoteDone else { return }
        checking.isRemoteDone = true
        nice_agent_peer_candidate_gathering_done(agent, stream)
        startCheckingLimit()
    }

    /// A peer has no business with our loopback, except in tests.
    private func isUsable(_ candidate: ICECandidate) -> Bool {
        if candidate.address.isLoopback, configuration.localAddresses.isEmpty { return false }
        if candidate.address.family == .ipv6, !configuration.allowsIPv6 { return false }
        return !checking.remoteCandidates.contains { $0.address == candidate.address }
    }

    private func check(_ candidates: [ICECandidate]) {
        var list: UnsafeMutablePointer<GSList>?
        for candidate in candidates.reversed() {
            guard let pointer = candidate.makeNiceCandidate(stream: stream) else { continue }
            list = g_slist_prepend(list, pointer)
        }
        guard let list else { return }
        checking.lastNews = .now
        nice_agent_set_remote_candidates(agent, stream, 1, list)
        g_slist_free_full(list) { nice_candidate_free($0?.assumingMemoryBound(to: NiceCandidate.self)) }
    }

    // MARK: - The outcome

    func handle(componentState rawValue: guint) {
        guard isOpen, !checking.hasEnded else { return }
        let wasReady = state == .ready
        checking.componentState = NiceComponentState(rawValue: rawValue)
        switch checking.componentState {
        case NICE_COMPONENT_STATE_CONNECTING where !wasReady: enter(.connecting)
        case NICE_COMPONENT_STATE_CONNECTED where !wasReady: handleSelectedPair(entering: .connected)
        case NICE_COMPONENT_STATE_READY: handleSelectedPair(entering: .ready)
        case NICE_COMPONENT_STATE_FAILED:
            // After a selected pair only the loss of a TURN connection leads here. Before one, the peer's checks may
            // still come; and the library does not always say so when they cannot.
            if wasReady { fail() }
        default: break
        }
    }

    /// Publishes the pair before the state that promises it.
    func handleSelectedPair(entering state: ICEState? = nil) {
        guard isOpen, !checking.hasEnded, let pair = currentPair() else { return }
        let isNew = selectedPair != pair
        publish(pair)
        if isNew { emit(.selectedPair(pair)) }
        if let state { enter(state) }
    }

    /// Starts the time limit once both sides have said that they have no more candidates.
    func startCheckingLimit() {
        guard gathering.isDone, checking.isRemoteDone, !checking.hasLimit else { return }
        checking.hasLimit = true
        // With nothing to check on one side there is nothing to wait for.
        guard !checking.remoteCandidates.isEmpty, !gathering.candidates.isEmpty else { return fail() }
        failInTime()
    }

    private func failInTime() {
        guard isOpen, !checking.hasEnded, state != .ready, state != .connected else { return }
        let rest = checking.lastNews + (configuration.checkingLimit ?? patience) - .now
        guard rest > .zero else { return fail() }
        loop.perform(after: rest) { [weak self] in self?.failInTime() }
    }

    /// How long a pair that works may take to show it. The library sends each check three times, and gives it up after four
    /// times its first time-out, which grows with the number of pairs.
    private var patience: Duration {
        let count = ICEAddress.Family.allCases.reduce(0) { count, family in
            let own = gathering.candidates.count { candidate in
                candidate.candidate.address.family == family && [.host, .relayed].contains(candidate.candidate.kind)
            }
            return count + own * checking.remoteCandidates.count { $0.address.family == family }
        }
        let timeout = max(Self.shortestTimeout, Self.pacing * min(count, Self.maximumPairCount))
        return timeout * 4 + Self.signallingPatience
    }

    private func fail() {
        guard isOpen, !checking.hasEnded else { return }
        checking.hasEnded = true
        enter(.failed)
        emit(.failed(obstacles(wantsRelay: true)))
    }

    /// What libnice has selected.
    private func selectedCandidates() -> (ours: LocalCandidate, theirs: ICECandidate)? {
        var local: UnsafeMutablePointer<NiceCandidate>?
        var remote: UnsafeMutablePointer<NiceCandidate>?
        guard nice_agent_get_selected_pair(agent, stream, 1, &local, &remote) != 0, let local, let remote,
            let ours = LocalCandidate(local), let theirs = ICECandidate(UnsafePointer(remote))
        else { return nil }
        return (ours, theirs)
    }

    /// How the selected pair's bytes travel to our TURN server; `nil` unless that is over UDP, and final.
    func relayRoute() -> (descriptor: Int32, server: ICEAddress, peer: ICEAddress)? {
        guard isOpen, state == .ready, let (ours, theirs) = selectedCandidates(), let base = ours.base,
            let (server, address) = relay(of: ours), server.transport == .udp
        else { return nil }
        var name = base.socketAddress
        let descriptor = withUnsafeBytes(of: &name) { bytes in
            cnice_duplicate_socket(agent, stream, bytes.bindMemory(to: sockaddr.self).baseAddress) {
                fcntl($0, F_DUPFD_CLOEXEC, 3)
            }
        }
        return descriptor < 0 ? nil : (descriptor, address, theirs.address)
    }

    private func currentPair() -> ICESelectedPair? {
        guard let (ours, theirs) = selectedCandidates() else { return nil }
        // A relayed address that we heard from before it was signalled counts as reflexive until then.
        let signalled = checking.remoteCandidates.first { $0.address == theirs.address }
        let isTheirs = (signalled ?? theirs).kind == .relayed
        let path: ICESelectedPair.Path
        switch (ours.candidate.kind == .relayed, isTheirs) {
        case (false, false): path = .direct
        case (true, false): path = .relayed(by: .local, transport: ours.candidate.relayTransport)
        case (false, true): path = .relayed(by: .remote, transport: signalled?.relayTransport)
        case (true, true): path = .relayed(by: .both, transport: ours.candidate.relayTransport)
        }
        return ICESelectedPair(
            local: ours.candidate, remote: signalled ?? theirs, path: path,
            obstacles: path == .direct ? [] : obstacles(wantsRelay: false))
    }

    /// Why there is no direct path, and with `wantsRelay` why none at all.
    func obstacles(wantsRelay: Bool) -> [ICEObstacle] {
        var obstacles = gatheringObstacles(wantsDirect: true, wantsRelay: wantsRelay)
        if checking.remoteCandidates.isEmpty {
            obstacles.append(.noRemoteCandidate)
        } else if !checking.remoteCandidates.contains(where: isReachableFromOutside) {
            obstacles.append(.peerNotReachableFromOutside)
        } else if obstacles.isEmpty || wantsRelay && !configuration.forceRelay {
            obstacles.append(.directChecksFailed)
        }
        let relayed = gathering.candidates.map(\.candidate) + checking.remoteCandidates
        if wantsRelay, relayed.contains(where: { $0.kind == .relayed }) { obstacles.append(.relayChecksFailed) }
        return obstacles
    }

    private func isReachableFromOutside(_ candidate: ICECandidate) -> Bool {
        switch candidate.kind {
        case .serverReflexive, .peerReflexive: true
        case .host: !candidate.address.isPrivate && !candidate.address.isLinkLocal
        case .relayed: false
        }
    }
}
