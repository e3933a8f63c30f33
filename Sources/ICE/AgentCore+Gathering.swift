internal import CNice
internal import Glibc

extension AgentCore {
    /// What is known of the gathering; on the loop's thread.
    struct Gathering {
        var isStarted = false
        var isDone = false
        var isLibraryDone = false
        var localFamilies: Set<ICEAddress.Family> = []
        var candidates: [LocalCandidate] = []
        /// In libnice's order, one entry an address.
        var relays: [(server: TURNServer, address: ICEAddress)] = []
        /// Relays that wait for the STUN server to be on libnice's list; `nil` when it is.
        var heldRelays: [(server: TURNServer, address: ICEAddress)]?
        /// Whether libnice may have called itself done before it knew of the last relay.
        var mayBeStale = false
        /// Servers over TCP that are asked only if the same host does not answer over UDP.
        var spareRelays: [TURNServer] = []
        var pendingNames = 0
        var unresolvedNames: Set<String> = []
        var stunServer: STUNServer?
        var start: ContinuousClock.Instant?
        /// How long the library took; long means that some server did not answer.
        var duration: Duration?
    }

    /// Gathering takes this long when a server does not answer (see the STUN timers).
    private static let silence = Duration.milliseconds(1900)

    /// How long relays wait for the STUN server's name to be looked up.
    private static let nameLimit = Duration.seconds(1)

    /// How long a host has to answer over UDP before it is asked over TCP.
    private static let headStart = Duration.milliseconds(500)

    /// How long libnice's look-up of the STUN server's name may take longer than ours before relays are asked all the same.
    private static let lookUpDifference = Duration.milliseconds(20)

    func gather() {
        guard isOpen, !gathering.isStarted else { return }
        gathering.isStarted = true
        gathering.start = .now
        enter(.gathering)
        let addresses = LocalAddresses.list(for: configuration)
        gathering.localFamilies = Set(addresses.map(\.family))
        guard !addresses.isEmpty else { return finishGathering() }
        for address in addresses {
            _ = address.withNiceAddress { nice_agent_add_local_address(agent, $0) }
        }
        if let range = configuration.portRange {
            nice_agent_set_port_range(agent, stream, 1, guint(range.lowerBound), guint(range.upperBound))
        }
        addSTUNServer()
        let names = addNumericRelays()
        if nice_agent_gather_candidates(agent, stream) == 0 {
            gathering.isLibraryDone = true
        }
        // libnice has a numeric address on its list after two turns of the loop.
        if gathering.stunServer != nil, gathering.pendingNames == 0 { releaseRelays(afterTurns: 3) }
        cnice_for_each_socket(agent, stream, enlargeBuffers)
        // libnice 0.1.21 gives a pair up, and forgets it, if the peer checks it before the peer's password is known and after
        // the gathering has ended. The peer repeats its checks, and answers ours.
        if !checking.hasCredentials { cnice_for_each_socket(agent, stream, cnice_drop_checks) }
        for server in names { lookUp(server) }
        loop.perform(after: Self.nameLimit) { [weak self] in self?.releaseRelays() }
        loop.perform(after: Self.headStart) { [weak self] in self?.addSpareRelays() }
        loop.perform(after: configuration.gatheringLimit) { [weak self] in self?.finishGathering() }
        checkGathering()
    }

    /// Tells libnice of one STUN server. It looks the name up itself, in a thread; only our own look-up tells of a
    /// name without an address.
    ///
    /// Relays are held back until the server is on libnice's list: on a socket over which it has asked a TURN server, and
    /// has no answer yet or a refusal, libnice 0.1.21 recognises the answer of no STUN server that it asks later.
    private func addSTUNServer() {
        guard !configuration.forceRelay else { return }
        let relays = Set(configuration.turnServers.filter { $0.transport == .udp }.map(\.host))
        let servers = configuration.stunServers.filter { $0.port != 0 && !$0.host.isEmpty }
        guard let server = servers.first(where: { !relays.contains($0.host) }) ?? servers.first else { return }
        gathering.stunServer = server
        gathering.heldRelays = []
        cnice_set_string(agent, "stun-server", server.host)
        cnice_set_unsigned(agent, "stun-server-port", guint(server.port))
        guard ICEAddress(ip: server.host, port: server.port) == nil else { return }
        gathering.pendingNames += 1
        NameLookup.start(host: server.host, port: server.port) { addresses in
            self.loop.perform { self.handleSTUNName(server.host, addresses) }
        }
    }

    private func handleSTUNName(_ host: String, _ addresses: [ICEAddress]) {
        gathering.pendingNames -= 1
        if addresses.isEmpty {
            gathering.unresolvedNames.insert(host)
            // libnice forgets to say that it is done if there was nothing else to gather.
            if gathering.relays.isEmpty { gathering.isLibraryDone = true }
        }
        loop.perform(after: addresses.isEmpty ? .zero : Self.lookUpDifference) { [weak self] in self?.releaseRelays() }
    }

    private func releaseRelays(afterTurns turnCount: Int = 0) {
        guard turnCount == 0 else {
            return loop.perform { [weak self] in self?.releaseRelays(afterTurns: turnCount - 1) }
        }
        guard isOpen, let relays = gathering.heldRelays else { return }
        gathering.heldRelays = nil
        for (server, address) in relays { addRelay(server, at: address) }
        checkGathering()
    }

    private var turnServers: ArraySlice<TURNServer> {
        configuration.turnServers.prefix(ICEConfiguration.maximumTURNServerCount)
    }

    /// Tells libnice of the TURN servers given by address; returns those given by name.
    ///
    /// libnice keeps one relayed candidate for each address of a server, the first to come; that is to be the one over
    /// UDP wherever UDP passes.
    private func addNumericRelays() -> [TURNServer] {
        var named: [TURNServer] = []
        let hostsOverUDP = Set(turnServers.filter { $0.transport == .udp }.map(\.host))
        for server in turnServers {
            if server.transport == .tcp, hostsOverUDP.contains(server.host) {
                gathering.spareRelays.append(server)
            } else if let address = ICEAddress(ip: server.host, port: server.port) {
                addRelay(server, at: address)
            } else {
                named.append(server)
            }
        }
        return named
    }

    private func addSpareRelays() {
        guard isOpen, !gathering.isDone else { return }
        let spares = gathering.spareRelays
        gathering.spareRelays = []
        for server in spares where !turnServers.contains(where: { $0.host == server.host && isAnswering($0) }) {
            if let address = ICEAddress(ip: server.host, port: server.port) {
                addRelay(server, at: address)
            } else {
                lookUp(server)
            }
        }
    }

    private func lookUp(_ server: TURNServer) {
        gathering.pendingNames += 1
        NameLookup.start(host: server.host, port: server.port) { addresses in
            self.loop.perform { self.handleTURNName(server, addresses) }
        }
    }

    private func handleTURNName(_ server: TURNServer, _ addresses: [ICEAddress]) {
        gathering.pendingNames -= 1
        guard isOpen else { return }
        if addresses.isEmpty { gathering.unresolvedNames.insert(server.host) }
        // One address a family: every further one is most often the same server or its spare.
        for family in [ICEAddress.Family.ipv4, .ipv6] {
            if let address = addresses.first(where: { $0.family == family }) { addRelay(server, at: address) }
        }
        checkGathering()
    }

    /// Before gathering or after: libnice then asks the server at once.
    private func addRelay(_ server: TURNServer, at address: ICEAddress) {
        guard gathering.heldRelays?.append((server, address)) == nil else { return }
        guard gathering.relays.count < ICEConfiguration.maximumTURNServerCount, address.port != 0,
            gathering.localFamilies.contains(address.family)
        else { return }
        let type = server.transport == .udp ? NICE_RELAY_TYPE_TURN_UDP : NICE_RELAY_TYPE_TURN_TCP
        guard
            nice_agent_set_relay_info(
                agent, stream, 1, address.ip, guint(address.port), server.username, server.password, type) != 0
        else { return }
        gathering.relays.append((server, address))
        gathering.isLibraryDone = false
        // What it said before is handled before this.
        gathering.mayBeStale = true
        loop.perform { [weak self] in self?.gathering.mayBeStale = false }
    }

    // MARK: - Signals

    func handle(_ candidate: LocalCandidate) {
        guard isOpen else { return }
        gathering.candidates.append(candidate)
        checking.lastNews = .now
        emit(.candidate(candidate.candidate))
    }

    func handleGatheringDone() {
        guard isOpen, !gathering.mayBeStale else { return }
        gathering.isLibraryDone = true
        gathering.duration = gathering.start.map { .now - $0 }
        checkGathering()
    }

    private func checkGathering() {
        guard gathering.heldRelays == nil else { return }
        if gathering.isLibraryDone, gathering.pendingNames == 0 { addSpareRelays() }
        if gathering.isLibraryDone, gathering.pendingNames == 0 { finishGathering() }
    }

    private func finishGathering() {
        guard isOpen, !gathering.isDone else { return }
        gathering.isDone = true
        emit(.gatheringDone)
        if state == .gathering { enter(.connecting) }
        startCheckingLimit()
    }

    // MARK: - Reasons

    /// What was wrong with our own side.
    func gatheringObstacles(wantsDirect: Bool, wantsRelay: Bool) -> [ICEObstacle] {
        var obstacles: [ICEObstacle] = []
        let tookLong = isSomebodySilent
        if wantsDirect {
            if configuration.forceRelay {
                obstacles.append(.relayOnly)
            } else if !gathering.candidates.contains(where: { $0.candidate.kind == .serverReflexive }) {
                if let server = gathering.stunServer {
                    if gathering.unresolvedNames.contains(server.host) {
                        obstacles.append(.unresolvedName(host: server.host))
                    } else if tookLong {
                        obstacles.append(.noSTUNAnswer(host: server.host, port: server.port))
                    }
                } else if !configuration.turnServers.contains(where: { $0.transport == .udp }) {
                    obstacles.append(.noSTUNServer)
                }
            }
        }
        for server in turnServers {
            guard wantsRelay || server.transport == .udp, !isAnswering(server) else { continue }
            // Over TCP such a host is not asked, and over UDP its answer may have come too late to be kept.
            if turnServers.contains(where: { $0.host == server.host && isAnswering($0) }),
                server.transport == .tcp || !tookLong
            {
                continue
            }
            if gathering.unresolvedNames.contains(server.host) {
                obstacles.append(.unresolvedName(host: server.host))
            } else if tookLong {
                obstacles.append(.noRelay(host: server.host, port: server.port, transport: server.transport))
            } else {
                obstacles.append(.relayRefused(host: server.host, port: server.port, transport: server.transport))
            }
        }
        if wantsRelay, configuration.turnServers.isEmpty { obstacles.append(.noTURNServer) }
        return obstacles.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// Whether some server did not answer in time.
    var isSomebodySilent: Bool { gathering.duration.map { $0 >= Self.silence } ?? true }

    private func isAnswering(_ server: TURNServer) -> Bool {
        gathering.candidates.contains { relay(of: $0)?.server == server }
    }

    /// The server that gave a relayed candidate.
    func relay(of candidate: LocalCandidate) -> (server: TURNServer, address: ICEAddress)? {
        guard let index = candidate.relayIndex, gathering.relays.indices.contains(index) else { return nil }
        return gathering.relays[index]
    }
}

/// Asks for 4 MiB each way; the kernel gives what it allows.
private func enlargeBuffers(_ descriptor: Int32) {
    var byteCount: Int32 = 4 << 20
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &byteCount, socklen_t(MemoryLayout<Int32>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &byteCount, socklen_t(MemoryLayout<Int32>.size))
}
