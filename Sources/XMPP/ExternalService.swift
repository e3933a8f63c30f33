// XEP-0215: External Service Discovery
public import XML

/// A service outside the XMPP network that a server tells of, such as a TURN relay.
public struct ExternalService: Sendable, Hashable {
    /// The namespace, and the feature of servers that answer.
    public static let namespace = "urn:xmpp:extdisco:2"

    /// The types of service that find or relay a path.
    public enum Kind: String, Sendable, Hashable {
        case stun, stuns, turn, turns
    }

    /// The transport protocols.
    public enum Transport: String, Sendable, Hashable {
        case tcp, udp
    }

    /// What the service does.
    public var kind: Kind
    /// The transport protocol; `nil` when not told.
    public var transport: Transport?
    /// A host name or IP address: not safe to print.
    public var host: String
    /// The port; `nil` for the default one.
    public var port: UInt16?
    /// The user name; `nil` when none is needed or it must be asked for.
    public var username: String?
    /// The password that belongs to the user name.
    public var password: Password?
    /// When the credentials end to be valid; `nil` when not told.
    public var expires: Timestamp?
    /// True when credentials are needed, so that without any they must be asked for.
    public var isRestricted: Bool

    /// The most services that are kept of an answer.
    public static let maximumCount = 32

    /// Reads the STUN and TURN services of a `<services/>` or `<credentials/>` element. Others, and invalid ones,
    /// are left out.
    ///
    /// - Throws: `StanzaParseError` when it is another element.
    public static func services(in element: XMLElement) throws(StanzaParseError) -> [ExternalService] {
        guard element.namespace == namespace, ["services", "credentials"].contains(element.name) else {
            throw .wrongElement
        }
        return Array(element.all("service").lazy.compactMap { ExternalService($0) }.prefix(maximumCount))
    }

    private init?(_ element: XMLElement) {
        guard let kind = element["type"].flatMap(Kind.init), let host = element["host"],
            (1...255).contains(host.utf8.count), host.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        self.kind = kind
        self.host = host
        if let text = element["transport"] {
            guard let transport = Transport(rawValue: text.lowercased()) else { return nil }
            self.transport = transport
        }
        if let text = element["port"] {
            guard let port = UInt16(text), port > 0 else { return nil }
            self.port = port
        }
        username = element["username"]
        password = element["password"].map { Password($0) }
        expires = element["expires"].flatMap { Timestamp($0) }
        isRestricted = ["true", "1"].contains(element["restricted"])
    }

    /// The payload of a request for all services (§ 3.1).
    public static var request: XMLElement { XMLElement("services", namespace: namespace) }

    /// The payload of a request for the credentials of this service (§ 3.3).
    public var credentialsRequest: XMLElement {
        var service = XMLElement("service", namespace: Self.namespace)
        service["host"] = host
        service["type"] = kind.rawValue
        service["port"] = port.map { String($0) }
        return XMLElement("credentials", namespace: Self.namespace, children: [service])
    }
}
