// The order of paths between two devices, as Architecture.md describes it.
import Client
import ICE
import Jingle
import SecureChannels
import Transports
import XMPP

extension TransferService {
    /// What is known of the peer's side of a transfer.
    struct PeerAbilities: Sendable {
        /// Whether it can use a transport of that namespace.
        var supports: @Sendable (String) -> Bool
        /// Whether it can encrypt bytestreams, and so must.
        var encryptsBytestreams: Bool
        /// Whether it is Libervia, which writes hashes in a way of its own.
        var isLibervia = false
        /// What is known of its client, and may keep a file from arriving.
        var caveat: String?
        /// Whether it is to get a stream, and takes only one in one direction.
        var takesOneWayStreams = false
        /// Whether it can go on with a stream in another session.
        var continuesStreams = false
    }

    /// Starts to look for ICE-QUIC paths, with the servers that the account's server offers right now.
    func startICEQUIC(
        _ role: JingleRole, for application: TransferApplication
    ) async throws(TransportFailure) -> ICEQUICTransport {
        let allowed = policy.allowedPaths
        // Without these servers there may still be a way, so an error here is none of the transfer.
        let services =
            allowed.isDisjoint(with: [.directUDP, .relay])
            ? [] : (try? await client.externalServices(timeout: .seconds(5))) ?? []
        return try ICEQUICTransport(
            role: role, certificate: certificate, loop: loop,
            configuration: ICEConfiguration(services: services, allowed: allowed), allowed: allowed,
            options: application == .forward ? .manyStreams : QUICOptions())
    }

    /// What an offer shows of the peer that made it.
    func abilities(offering transport: ContentTransport) -> PeerAbilities {
        let isSleigh =
            switch transport {
            case .iceQUIC: true
            case .socks5(let description): description.fingerprint != nil
            case .inBand(let description): description.fingerprint != nil
            case .unknown: false
            }
        return PeerAbilities(
            supports: { isSleigh || $0 != ICEQUICTransportDescription.namespace }, encryptsBytestreams: isSleigh)
    }

    /// The transports for a content that the peer can use, best first.
    ///
    /// - Parameter prepared: an ICE-QUIC transport that was started before the peer was known.
    func rungs(
        to peer: JID, _ abilities: PeerAbilities, role: JingleRole, content: ContentID,
        for application: TransferApplication, prepared: ICEQUICTransport? = nil
    ) -> [TransportRung] {
        let allowed = policy.allowedPaths
        var rungs: [TransportRung] = []
        rungs.append(
            TransportRung(
                namespace: ICEQUICTransportDescription.namespace, name: "ICE-QUIC",
                isAllowed: !allowed.isDisjoint(with: .iceQUIC)
            ) { isOfferer throws(TransportFailure) in
                if let prepared { return prepared }
                return try await startICEQUIC(isOfferer ? .initiator : .responder, for: application)
            })
        let certificate = abilities.encryptsBytestreams ? certificate : nil
        rungs.append(
            TransportRung(
                namespace: SOCKS5TransportDescription.namespace, name: "SOCKS5",
                isAllowed: !allowed.isDisjoint(with: .socks5),
                prepare: { _ = await proxyHosts() }
            ) { isOfferer throws(TransportFailure) in
                SOCKS5Transport(
                    sessionRole: role, isOfferer: isOfferer, own: client.address, peer: peer, channel: client,
                    contentName: content.name, tls: certificate,
                    addresses: allowed.contains(.socks5Direct) ? ICEConfiguration().directAddresses : [],
                    proxies: await proxyHosts(), allowed: allowed)
            })
        rungs.append(
            TransportRung(
                namespace: InBandTransportDescription.namespace, name: "in-band", isAllowed: allowed.contains(.inBand)
            ) { isOfferer throws(TransportFailure) in
                InBandTransport(
                    sessionRole: role, isOfferer: isOfferer, peer: peer, host: inBand, contentName: content.name,
                    certificate: certificate)
            })
        return rungs.filter { abilities.supports($0.namespace) }
    }

    /// Answers with the transport that a peer offers.
    func negotiation(
        answering remote: ContentTransport, of content: ContentID, for application: TransferApplication,
        from peer: JID, _ abilities: PeerAbilities,
        prepared: ICEQUICTransport?
    ) async throws -> TransportNegotiation {
        let rungs = rungs(to: peer, abilities, role: .responder, content: content, for: application, prepared: prepared)
        let negotiation = try await TransportNegotiation(answering: remote, of: content, rungs: rungs) {
            try check(peer, $0, abilities)
        }
        negotiation.limit(policy.limit)
        return negotiation
    }

    /// Our answer to a content that a peer offers: as it was offered, with the transport and the limit of this side.
    ///
    /// A client without ``BytestreamTLS`` is no sleigh, and is not asked for what it does not know.
    func answer(
        _ offered: Content, _ abilities: PeerAbilities, _ negotiation: TransportNegotiation
    ) async -> Content {
        negotiation.limitSending(forPeer: offered.limit)
        var answer = offered
        answer.transport = await negotiation.localDescription()
        answer.limit = abilities.encryptsBytestreams ? policy.limit : nil
        return answer
    }

    /// Where the server's proxies listen, if they may be used.
    private func proxyHosts() async -> [ProxyDiscovery.StreamHost] {
        policy.allowedPaths.contains(.socks5Proxy) ? await proxies.hosts : []
    }

    /// Says whether a peer is to be talked to.
    ///
    /// - Throws: what the trust in devices throws, `TransferError.notEncrypted`.
    func check(_ peer: JID, _ fingerprint: Fingerprint?, _ abilities: PeerAbilities) throws {
        try trust.check(peer, fingerprint)
        guard fingerprint != nil || !(policy.requiresEncryption || abilities.encryptsBytestreams) else {
            throw TransferError.notEncrypted(peer)
        }
    }
}

extension TransportNegotiation {
    /// Waits for something, and meanwhile answers what the peer proposes before it has accepted the session.
    func answeringProposals<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value?
    ) async throws -> Value? {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await body() }
            group.addTask {
                try await self.answerProposals()
                return nil
            }
            return try await group.next() ?? nil
        }
    }
}
