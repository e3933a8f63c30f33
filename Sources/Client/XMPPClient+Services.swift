internal import SecureChannels
internal import Synchronization
internal import XML
public import XMPP

extension XMPPClient {
    /// Announces that this client is on-line and what it can do (RFC 6121 § 4.2, XEP-0115).
    ///
    /// Until then nothing sent to the bare address arrives here.
    public func becomeAvailable(priority: Int8 = 0) async throws {
        state.withLock { $0.isAvailable = true }
        try await send(
            Presence(kind: .available, priority: priority, payloads: [registry.capabilities.element]).element)
    }

    /// Tells somebody, who need not be a contact, that this client is on-line and what it can do (RFC 6121 § 4.6).
    /// ``close()`` tells them that it is not any more.
    public func sendDirectedPresence(to address: JID) async throws {
        noteDirectedPresence(to: address)
        try await send(Presence(to: address, payloads: [registry.capabilities.element]).element)
    }

    /// Asks for copies of the messages of the account's other clients (XEP-0280). They arrive as if they had been
    /// sent here.
    public func enableCarbons(timeout: Duration = .seconds(10)) async throws {
        try await request(.set, to: nil, payload: Carbon.enableRequest, timeout: timeout)
    }

    /// What an address is and can do (XEP-0030); not asked again when its capabilities are known (XEP-0115).
    ///
    /// - Parameter isFresh: whether to ask in any case, which also shows that it is there.
    /// - Throws: `StanzaError`, `StanzaChannelError`, or `StanzaParseError` when the answer cannot be read.
    public func discover(
        _ address: JID, timeout: Duration = .seconds(10), isFresh: Bool = false
    ) async throws -> ServiceDiscoveryInfo {
        let (capabilities, known) = state.withLock { state in
            let capabilities = state.discovery.capabilities(of: address)
            return (capabilities, capabilities.flatMap { state.discovery.info(for: $0) })
        }
        if let known, !isFresh { return known }
        let query = ServiceDiscoveryInfo.request(node: capabilities?.queryNode)
        guard let answer = try await request(.get, to: address, payload: query, timeout: timeout) else {
            throw StanzaParseError.missing("query")
        }
        let info = try ServiceDiscoveryInfo(answer)
        if let capabilities { state.withLock { $0.discovery.keep(info, for: capabilities) } }
        return info
    }

    /// The server's STUN and TURN services, with the credentials it gives for those that need some (XEP-0215); none
    /// when it does not know about such services.
    public func externalServices(timeout: Duration = .seconds(10)) async throws -> [ExternalService] {
        let server = JID(local: nil, domain: address.domain)
        let answer: XMLElement?
        do {
            answer = try await request(.get, to: server, payload: ExternalService.request, timeout: timeout)
        } catch let error as StanzaError
            where [.serviceUnavailable, .featureNotImplemented, .itemNotFound].contains(error.condition)
        {
            return []
        }
        guard let answer else { return [] }
        var services: [ExternalService] = []
        for service in try ExternalService.services(in: answer) {
            guard service.isRestricted, service.username == nil else {
                services.append(service)
                continue
            }
            // A service without its credentials is of no use; the others are.
            let credentials = try? await request(
                .get, to: server, payload: service.credentialsRequest, timeout: timeout)
            let found = credentials.flatMap { try? ExternalService.services(in: $0) } ?? []
            if let first = found.first(where: { $0.username != nil }) { services.append(first) }
        }
        return services
    }
}
