internal import XML
internal import XMPP

extension XMPPClient {
    /// How many of the server's components are asked what they are.
    private static let componentCount = 24

    /// Asks the account's server and its components what they offer.
    ///
    /// A component that does not answer is left out.
    ///
    /// - Throws: `StanzaError`, `StanzaChannelError`, or `StanzaParseError`, when the server itself does not answer.
    public func serverFeatures(timeout: Duration = .seconds(5)) async throws -> ServerFeatures {
        guard let server = JID(local: nil, domain: address.domain) else {
            throw StanzaError(.jidMalformed, kind: .modify)
        }
        let info = try await discover(server, timeout: timeout)
        var features = ServerFeatures(
            hasExternalServices: info.has(ExternalService.namespace), hasCarbons: info.has(Carbon.namespace),
            hasStreamManagement: StreamManagement.isOffered(in: stream.features))
        var candidates = [(address: server, info: info)]
        for component in await components(of: server, timeout: timeout) { candidates.append(component) }
        for (address, info) in candidates {
            if let service = HTTPUploadDiscovery(info) {
                features.uploads.append(ServerFeatures.Upload(address: address, service: service))
            }
            if ProxyDiscovery.isProxy(info) {
                features.proxies.append(await proxy(address, timeout: timeout))
            }
        }
        return features
    }

    private func components(
        of server: JID, timeout: Duration
    ) async -> [(address: JID, info: ServiceDiscoveryInfo)] {
        let answer = try? await request(.get, to: server, payload: ServiceDiscoveryItems.request, timeout: timeout)
        let addresses = answer.flatMap { try? ServiceDiscoveryItems($0) }?.addresses.prefix(Self.componentCount) ?? []
        return await withTaskGroup(of: (Int, JID, ServiceDiscoveryInfo)?.self) { group in
            for (index, address) in addresses.enumerated() {
                group.addTask {
                    guard let info = try? await self.discover(address, timeout: timeout) else { return nil }
                    return (index, address, info)
                }
            }
            var found: [(Int, JID, ServiceDiscoveryInfo)] = []
            for await component in group { if let component { found.append(component) } }
            return found.sorted { $0.0 < $1.0 }.map { ($0.1, $0.2) }
        }
    }

    private func proxy(_ address: JID, timeout: Duration) async -> ServerFeatures.Proxy {
        var proxy = ServerFeatures.Proxy(address: address, hosts: [])
        do {
            let answer = try await request(.get, to: address, payload: ProxyDiscovery.request, timeout: timeout)
            proxy.hosts = try answer.map { try ProxyDiscovery.streamHosts(in: $0) } ?? []
        } catch let error as StanzaError {
            proxy.refusal = error
        } catch {
            // Silent, or not to be understood: it has no address.
        }
        return proxy
    }
}
