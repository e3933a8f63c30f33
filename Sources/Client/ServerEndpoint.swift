// RFC 6120 § 3.2 and XEP-0368: where a domain's XMPP server listens

/// A host and port to connect to, and how the connection is secured.
public struct ServerEndpoint: Sendable, Hashable, CustomStringConvertible {
    /// How TLS begins.
    public enum Security: Sendable, Hashable {
        /// With the first byte (XEP-0368).
        case directTLS
        /// After the server was asked to (RFC 6120 § 5). Never left out.
        case startTLS
    }

    /// A host name or IP address.
    public var host: String
    /// The TCP port.
    public var port: Int
    /// How TLS begins.
    public var security: Security

    /// Creates an endpoint.
    public init(host: String, port: Int, security: Security) {
        self.host = host
        self.port = port
        self.security = security
    }

    /// Reads what a user writes: `HOST`, `HOST:PORT`, `tls:HOST` or `tls:HOST:PORT`, an IPv6 address in brackets.
    ///
    /// Port 5222 and STARTTLS are meant when nothing else is said; port 5223, or the word `tls:`, means TLS from
    /// the first byte. `nil` when the text is none of these.
    public init?(parsing text: String) {
        var rest = Substring(text)
        var isDirect = false
        if rest.hasPrefix("tls:") {
            isDirect = true
            rest = rest.dropFirst(4)
        }
        let host: Substring
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { return nil }
            host = rest[rest.index(after: rest.startIndex)..<end]
            rest = rest[rest.index(after: end)...]
            guard host.contains(":") else { return nil }
        } else {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            host = rest[..<end]
            rest = rest[end...]
        }
        let isHostName = !host.isEmpty && host.utf8.count <= 253 && host.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        guard isHostName, !host.contains("/"), !host.contains("@"), !host.contains("[") else { return nil }
        var port = isDirect ? 5223 : 5222
        if !rest.isEmpty {
            guard rest.hasPrefix(":"), rest.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = UInt16(rest.dropFirst()), number > 0
            else { return nil }
            port = Int(number)
        }
        self.init(
            host: String(host), port: port, security: isDirect || port == 5223 ? .directTLS : .startTLS)
    }

    /// Reads what a server says of where to come back to (XEP-0198 § 5): `HOST` or `HOST:PORT`, an IPv6 address in
    /// brackets. How TLS begins is not for the server to choose.
    init?(location: String, security: Security) {
        guard !location.hasPrefix("tls:") else { return nil }
        self.init(parsing: (security == .directTLS ? "tls:" : "") + location)
        self.security = security
    }

    /// The endpoint as `init(parsing:)` reads it.
    public var description: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return (security == .directTLS ? "tls:" : "") + "\(name):\(port)"
    }

    /// The endpoints of a domain in the order to try them; empty when the domain says that it has no such service.
    ///
    /// - Parameters:
    ///   - direct: the records of `_xmpps-client._tcp`.
    ///   - startTLS: the records of `_xmpp-client._tcp`.
    static func ordered(
        domain: String, direct: [ServiceRecord], startTLS: [ServiceRecord],
        using random: inout some RandomNumberGenerator
    ) -> [ServerEndpoint] {
        let tagged =
            direct.map { (record: $0, security: Security.directTLS) }
            + startTLS.map { (record: $0, security: Security.startTLS) }
        let offered = tagged.filter { !$0.record.target.isEmpty && $0.record.port > 0 }
        if offered.isEmpty, startTLS.isEmpty {
            return [ServerEndpoint(host: domain, port: 5222, security: .startTLS)]
        }
        return ServiceRecord.ordered(offered, by: \.record, using: &random).prefix(8).map {
            ServerEndpoint(host: $0.record.target, port: Int($0.record.port), security: $0.security)
        }
    }
}
