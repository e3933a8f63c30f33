// RFC 8489 (STUN), RFC 8656 (TURN), RFC 4787 § 4.1 (mapping): what each server does for this host.

/// Asks STUN and TURN servers one by one, each with an agent of its own that only gathers.
///
/// libnice says little of why a server gave nothing; whether it was silent or answered with a refusal is told by the
/// time it took.
public struct ICEProbe: Sendable {
    /// What came of a question.
    public enum Outcome: Sendable, Hashable {
        /// The server gave an address: ours as it sees it, or a relayed one.
        case answered(ICEAddress)
        /// Nothing came back in time.
        case silent
        /// An answer came, but no address: wrong user name or password, or no room left.
        case refused
        /// This host has no way to that address.
        case noRoute
    }

    /// What a STUN server saw.
    public struct Reflection: Sendable, Hashable {
        /// The address asked from, as this host has it.
        public var local: ICEAddress
        /// The same, as the server saw it.
        public var outside: ICEAddress
    }

    /// What a NAT does with packets of one socket to several destinations (RFC 4787 § 4.1).
    public enum Mapping: Sendable, Hashable {
        /// It uses one outside address for all that were tried: a hole can be punched.
        case endpointIndependent
        /// It uses another one for each destination: only the destination itself can answer.
        case endpointDependent
    }

    private let loop: ICELoop

    /// Creates a probe.
    public init(loop: ICELoop) { self.loop = loop }

    /// The addresses of this host that are offered to peers.
    public static var hostAddresses: [ICEAddress] { LocalAddresses.list(for: ICEConfiguration()) }

    /// The addresses of a server, both families, the system's order; none when the name has none.
    public static func addresses(ofHost host: String, port: UInt16) async -> [ICEAddress] {
        if let address = ICEAddress(ip: host, port: port) { return [address] }
        return await withCheckedContinuation { continuation in
            NameLookup.start(host: host, port: port) { continuation.resume(returning: $0) }
        }
    }

    // MARK: - Servers

    /// Asks a STUN server which address it sees (RFC 8489 § 3).
    ///
    /// - Parameter localPort: the port to ask from, or any.
    /// - Returns: also what the server saw, if it answered.
    /// - Throws: `ICEError`.
    public func stun(
        _ server: ICEAddress, localPort: UInt16? = nil
    ) async throws(ICEError) -> (outcome: Outcome, reflection: Reflection?) {
        guard let source = LocalAddresses.source(for: server) else { return (.noRoute, nil) }
        var configuration = ICEConfiguration()
        configuration.localAddresses = [source.ip]
        configuration.stunServers = [STUNServer(host: server.ip, port: server.port)]
        configuration.portRange = localPort.map { $0...$0 }
        let found = try await gather(configuration)
        guard let host = found.candidates.first(where: { $0.kind == .host }) else { return (.noRoute, nil) }
        // libnice drops what is the same as the host's own address.
        let outside = found.candidates.first { $0.kind == .serverReflexive }?.address
        if outside == nil, found.isSomebodySilent { return (.silent, nil) }
        let reflection = Reflection(local: host.address, outside: outside ?? host.address)
        return (.answered(reflection.outside), reflection)
    }

    /// Asks a TURN server for a relayed address, and gives it back (RFC 8656 § 7).
    ///
    /// - Parameter address: where the server of that name is.
    /// - Throws: `ICEError`.
    public func turn(_ server: TURNServer, at address: ICEAddress) async throws(ICEError) -> Outcome {
        guard let configuration = Self.relay(server, at: address) else { return .noRoute }
        let found = try await gather(configuration)
        if let relayed = found.candidates.first(where: { $0.kind == .relayed }) { return .answered(relayed.address) }
        return found.isSomebodySilent ? .silent : .refused
    }

    private static func relay(_ server: TURNServer, at address: ICEAddress) -> ICEConfiguration? {
        guard let source = LocalAddresses.source(for: address) else { return nil }
        var configuration = ICEConfiguration()
        configuration.localAddresses = [source.ip]
        configuration.turnServers = [server]
        configuration.turnServers[0].host = address.ip
        configuration.turnServers[0].port = address.port
        configuration.forceRelay = true
        return configuration
    }

    private func gather(
        _ configuration: ICEConfiguration
    ) async throws(ICEError) -> (candidates: [ICECandidate], isSomebodySilent: Bool) {
        let agent = try ICEAgent(loop: loop, role: .controlling, configuration: configuration)
        agent.gather()
        let candidates = await Self.candidates(of: agent)
        let isSomebodySilent = agent.isSomebodySilent
        // The port and the relayed address are free again after this.
        await agent.closeAndWait()
        return (candidates, isSomebodySilent)
    }

    private static func candidates(of agent: ICEAgent) async -> [ICECandidate] {
        var candidates: [ICECandidate] = []
        for await event in agent.events {
            if case .candidate(let candidate) = event { candidates.append(candidate) }
            if event == .gatheringDone { break }
        }
        return candidates
    }

    // MARK: - Mapping

    /// Compares what another STUN server sees of the same local port; `nil` when it does not answer.
    ///
    /// - Parameter first: what the first one saw, on another address or port.
    /// - Throws: `ICEError`.
    public func mapping(comparing first: Reflection, with other: ICEAddress) async throws(ICEError) -> Mapping? {
        guard let second = try await stun(other, localPort: first.local.port).reflection, second.local == first.local
        else { return nil }
        return second.outside == first.outside ? .endpointIndependent : .endpointDependent
    }

    /// Compares what a STUN server sees of a socket with what arrives from it at an address relayed by a TURN server;
    /// `nil` when nothing arrives.
    ///
    /// A relayed address is on a port of its own, so this works with one server: two agents, one of which has nothing
    /// but the relay, look for a path to each other. It takes a second or two.
    ///
    /// - Throws: `ICEError`.
    public func mapping(
        stun: ICEAddress, relayedBy server: TURNServer, at address: ICEAddress
    ) async throws(ICEError) -> Mapping? {
        guard let source = LocalAddresses.source(for: stun),
            let relay = Self.relay(server, at: address)
        else { return nil }
        var direct = ICEConfiguration()
        direct.localAddresses = [source.ip]
        direct.stunServers = [STUNServer(host: stun.ip, port: stun.port)]
        var limited = relay
        limited.checkingLimit = .seconds(4)
        let sender = try ICEAgent(loop: loop, role: .controlling, configuration: direct)
        let receiver = try ICEAgent(loop: loop, role: .controlled, configuration: limited)
        sender.gather()
        receiver.gather()
        let outside = await Self.candidates(of: sender).first { $0.kind == .serverReflexive }
        let relayed = await Self.candidates(of: receiver).first { $0.kind == .relayed }
        var mapping: Mapping?
        if let outside, let relayed {
            sender.setRemote(receiver.localCredentials)
            receiver.setRemote(sender.localCredentials)
            // The server lets in what comes from the address of that candidate, from whichever port.
            receiver.add([outside])
            sender.add([relayed])
            sender.remoteGatheringDone()
            receiver.remoteGatheringDone()
            if let seen = await Self.remoteAddress(of: receiver), seen.ip == outside.address.ip {
                mapping = seen == outside.address ? .endpointIndependent : .endpointDependent
            }
        }
        await sender.closeAndWait()
        await receiver.closeAndWait()
        return mapping
    }

    private static func remoteAddress(of agent: ICEAgent) async -> ICEAddress? {
        for await event in agent.events {
            if case .selectedPair(let pair) = event { return pair.remote.address }
            if case .failed = event { return nil }
        }
        return nil
    }
}
