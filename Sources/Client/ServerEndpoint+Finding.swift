internal import Glibc
internal import Logging
internal import XMPP

extension ServerEndpoint {
    /// Where to connect to, in the order to try; empty when the domain has no such service.
    static func find(for configuration: ClientConfiguration, log: Logger) async -> [ServerEndpoint] {
        if let server = configuration.server { return [server] }
        let domain = configuration.account.domain
        if isAddress(domain) || domain == "localhost" || domain.hasSuffix(".localhost") {
            let host = domain.hasPrefix("[") ? String(domain.dropFirst().dropLast()) : domain
            return [ServerEndpoint(host: host, port: 5222, security: .startTLS)]
        }
        async let direct = records("_xmpps-client._tcp.\(domain)", log)
        async let startTLS = records("_xmpp-client._tcp.\(domain)", log)
        var random = SystemRandomNumberGenerator()
        return await ordered(domain: domain, direct: direct, startTLS: startTLS, using: &random)
    }

    // Without an answer the domain itself is tried (RFC 6120 § 3.2.1), as if there were no records.
    private static func records(_ name: String, _ log: Logger) async -> [ServiceRecord] {
        do {
            return try await Resolver.serviceRecords(of: name)
        } catch {
            log.debug("no SRV records", metadata: ["name": "\(name)", "error": "\(error)"])
            return []
        }
    }

    private static func isAddress(_ domain: String) -> Bool {
        var address = in6_addr()
        return domain.hasPrefix("[") || inet_pton(AF_INET, domain, &address) == 1
    }
}
