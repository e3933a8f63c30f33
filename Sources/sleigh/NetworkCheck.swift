import ICE
import TerminalUI
import XMPP

/// Finds out which STUN and TURN servers do their work, and what stands between this host and the world.
struct NetworkCheck {
    let probe: ICEProbe
    let services: [ExternalService]

    /// How many services are tried: each takes sockets of its own.
    private static let triedCount = 12

    /// One address of a service, and what came of asking it.
    private struct Trial: Sendable {
        var service: ExternalService
        var address: ICEAddress?
        var outcome: ICEProbe.Outcome?
        var reflection: ICEProbe.Reflection?
        var reason: String?

        var works: Bool? {
            guard let outcome else { return nil }
            if case .answered = outcome { return true } else { return false }
        }
        /// Whether this says something about UDP.
        var isUDP: Bool { service.transport != .tcp }
    }

    /// Tries all at the same time.
    ///
    /// - Throws: `ICEError`, `CancellationError`.
    func run() async throws -> ([CheckReport.Service], CheckReport.Network) {
        let trials = try await withThrowingTaskGroup(of: (Int, [Trial]).self) { group in
            for (index, service) in services.prefix(Self.triedCount).enumerated() {
                group.addTask { (index, try await attempts(at: service)) }
            }
            var found: [(Int, [Trial])] = []
            for try await result in group { found.append(result) }
            return found.sorted { $0.0 < $1.0 }.flatMap(\.1)
        }
        try Task.checkCancellation()
        let hosts = ICEProbe.hostAddresses
        let network = CheckReport.Network(
            udp: udp(trials), relay: relay(trials), ipv4: try await family(.ipv4, hosts, trials),
            ipv6: try await family(.ipv6, hosts, trials))
        try Task.checkCancellation()
        return (trials.map { report($0, trials) }, network)
    }

    // MARK: - Servers

    private func attempts(at service: ExternalService) async throws -> [Trial] {
        if let reason = Self.reasonNotToUse(service) { return [Trial(service: service, reason: reason)] }
        let addresses = await ICEProbe.addresses(ofHost: service.host, port: service.port ?? 3478)
        var trials: [Trial] = []
        for version in [ICEAddress.Family.ipv4, .ipv6] {
            guard let address = addresses.first(where: { $0.family == version }) else { continue }
            var trial = Trial(service: service, address: address)
            if service.kind == .turn, let server = Self.turnServer(service) {
                trial.outcome = try await probe.turn(server, at: address)
            } else {
                (trial.outcome, trial.reflection) = try await probe.stun(address)
            }
            trials.append(trial)
        }
        guard trials.isEmpty else { return trials }
        return [Trial(service: service, outcome: .noRoute, reason: "the name has no address")]
    }

    private static func reasonNotToUse(_ service: ExternalService) -> String? {
        switch (service.kind, service.transport) {
        case (.stun, .tcp): "STUN is asked over UDP only"
        case (.stuns, _), (.turns, _): "sleigh does not use TLS to such servers: what they carry is encrypted"
        case (.turn, _) where service.username == nil || service.password == nil:
            "the server gave no credentials for it"
        case (.stun, _), (.turn, _): nil
        }
    }

    private static func turnServer(_ service: ExternalService) -> TURNServer? {
        guard let username = service.username, let password = service.password else { return nil }
        return TURNServer(
            host: service.host, port: service.port ?? 3478, transport: service.transport == .tcp ? .tcp : .udp,
            username: username, password: password.text)
    }

    private func report(_ trial: Trial, _ trials: [Trial]) -> CheckReport.Service {
        var address: String?
        if case .answered(let given) = trial.outcome { address = given.description }
        return CheckReport.Service(
            kind: trial.service.kind.rawValue, transport: trial.service.transport?.rawValue,
            host: printable(trial.service.host), port: trial.service.port ?? 3478,
            ipVersion: trial.address.map { $0.family == .ipv4 ? 4 : 6 }, works: trial.works, address: address,
            reason: trial.reason ?? reason(trial))
    }

    private func reason(_ trial: Trial) -> String? {
        switch trial.outcome {
        case .silent where trial.isUDP: "no answer over UDP"
        case .silent: "no answer over TCP"
        case .refused where trial.address?.family == .ipv6:
            "it answers, but gives no relay: wrong user name or password, no room left, or no IPv4 address to relay at"
        case .refused: "it answers, but gives no relay: wrong user name or password, or no room left"
        case .noRoute: "this host has no route there"
        case .answered, nil: nil
        }
    }

    // MARK: - Network

    private func udp(_ trials: [Trial]) -> String {
        let outcomes = trials.filter(\.isUDP).compactMap(\.outcome)
        // A refusal is an answer too.
        if outcomes.contains(where: { $0 != .silent && $0 != .noRoute }) { return "open" }
        return outcomes.contains(.silent) ? "blocked" : "unknown"
    }

    private func relay(_ trials: [Trial]) -> String {
        let working = trials.filter { $0.service.kind == .turn && $0.works == true }
        guard let first = working.first(where: \.isUDP) ?? working.first else { return "none" }
        return first.isUDP ? "udp" : "tcp"
    }

    private func family(
        _ version: ICEAddress.Family, _ hosts: [ICEAddress], _ trials: [Trial]
    ) async throws -> CheckReport.Family {
        var family = CheckReport.Family(
            hostAddresses: hosts.filter { $0.family == version }.map(\.ip), publicAddress: nil, nat: "unknown",
            mapping: "unknown", mappingBasis: "no STUN server is known")
        guard !family.hostAddresses.isEmpty else {
            family.mappingBasis = "no address"
            return family
        }
        // A TURN server over UDP answers STUN too.
        var reflected: (server: ICEAddress, reflection: ICEProbe.Reflection)?
        var others: [ICEAddress] = []
        var askedCount = 0
        for trial in trials where trial.isUDP {
            guard let address = trial.address, address.family == version, trial.outcome != nil else { continue }
            askedCount += 1
            // Whoever said nothing to one question says nothing to another.
            if trial.outcome == .silent || trial.outcome == .noRoute { continue }
            if reflected == nil {
                let found: ICEProbe.Reflection? =
                    if let known = trial.reflection { known } else { try await probe.stun(address).reflection }
                reflected = found.map { (address, $0) }
            } else if address != reflected?.server, !others.contains(address) {
                others.append(address)
            }
        }
        guard let (server, reflection) = reflected else {
            if askedCount > 0 { family.mappingBasis = "no STUN server answers" }
            return family
        }
        family.publicAddress = reflection.outside.ip
        guard reflection.outside != reflection.local else {
            family.nat = "none"
            family.mapping = "endpoint-independent"
            family.mappingBasis = "nothing is translated"
            return family
        }
        family.nat = "translated"
        family.keepsPort = reflection.outside.port == reflection.local.port
        for other in others {
            guard let mapping = try await probe.mapping(comparing: reflection, with: other) else { continue }
            family.mapping = Self.word(mapping)
            family.mappingBasis = "two servers compared"
            return family
        }
        let relay = trials.first {
            $0.service.kind == .turn && $0.works == true && $0.isUDP && $0.address?.family == version
        }
        guard let relay, let address = relay.address, let turn = Self.turnServer(relay.service) else {
            family.mappingBasis = "it cannot be told with one server and no relay"
            return family
        }
        let mapping = try await probe.mapping(stun: server, relayedBy: turn, at: address)
        family.mapping = mapping.map(Self.word) ?? "unknown"
        family.mappingBasis = mapping == nil ? "nothing came through the relay" : "two ports of one server compared"
        return family
    }

    private static func word(_ mapping: ICEProbe.Mapping) -> String {
        switch mapping {
        case .endpointIndependent: "endpoint-independent"
        case .endpointDependent: "endpoint-dependent"
        }
    }
}
