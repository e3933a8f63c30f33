// XEP-0176: Jingle ICE-UDP Transport Method, § 5.3 (the candidate).
public import XML

/// An ICE candidate, as signalled.
public struct ICECandidateDescription: Sendable, Hashable {
    /// The types of RFC 8445 § 4.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// An address of the host itself.
        case host
        /// An address a peer saw.
        case prflx
        /// An address of a TURN server.
        case relay
        /// An address a STUN server saw.
        case srflx
    }

    /// The component, from 1.
    public var component: UInt8
    /// The foundation: 1 to 32 letters, digits, `+` and `/` (RFC 8839 § 5.1).
    public var foundation: String
    /// The ICE generation; grows with each restart.
    public var generation: UInt8
    /// An identifier, unique among the sender's candidates.
    public var id: String
    /// The address, an IP literal without a zone.
    public var ip: String
    /// The sender's network, for diagnosis only.
    public var network: UInt8?
    /// The UDP port, from 1.
    public var port: UInt16
    /// The priority, from 1 to 2^31 - 1 (RFC 8445 § 5.1.2).
    public var priority: UInt32
    /// The related address, for diagnosis only.
    public var relAddr: String?
    /// The related port, for diagnosis only.
    public var relPort: UInt16?
    /// The type.
    public var kind: Kind

    /// Creates a candidate for UDP, the only protocol of XEP-0176.
    public init(
        component: UInt8 = 1, foundation: String, generation: UInt8 = 0, id: String, ip: String,
        network: UInt8? = nil, port: UInt16, priority: UInt32, relAddr: String? = nil, relPort: UInt16? = nil,
        kind: Kind
    ) {
        self.component = component
        self.foundation = foundation
        self.generation = generation
        self.id = id
        self.ip = ip
        self.network = network
        self.port = port
        self.priority = priority
        self.relAddr = relAddr
        self.relPort = relPort
        self.kind = kind
    }

    /// Reads a `<candidate/>` element; `nil` when it is sound but of no use here: another protocol than UDP, another
    /// type, a host name (RFC 8839 § 5.1 has such candidates ignored), or an address no host has.
    ///
    /// `id` and `generation` may be absent.
    ///
    /// - Throws: `JingleSyntaxError` when an attribute is missing or out of its range.
    public init?(_ element: XMLElement) throws(JingleSyntaxError) {
        let transportProtocol = try element.required("protocol").lowercased()
        let type = try element.required("type")
        let foundation = try element.required("foundation", maximum: 32)
        guard foundation.utf8.allSatisfy(ICEUDPTransportDescription.isICECharacter) else { throw .invalid("foundation") }
        let ip = try element.required("ip")
        guard let component = try element.number("component", as: UInt8.self) else { throw .missing("component") }
        guard let port = try element.number("port", as: UInt16.self) else { throw .missing("port") }
        guard let priority = try element.number("priority", as: UInt32.self) else { throw .missing("priority") }
        guard component >= 1 else { throw .invalid("component") }
        guard (1...0x7fff_ffff).contains(priority) else { throw .invalid("priority") }
        let generation = try element.number("generation", as: UInt8.self) ?? 0
        let network = try element.number("network", as: UInt8.self)
        let id = try element.optional("id") ?? ""
        let relAddr = try element.optional("rel-addr")
        if let relAddr, IPLiteral.kind(of: relAddr) == .malformed { throw .invalid("rel-addr") }
        let relPort = try element.number("rel-port", as: UInt16.self)
        guard transportProtocol == "udp", let kind = Kind(rawValue: type) else { return nil }
        guard port >= 1 else { throw .invalid("port") }
        switch IPLiteral.kind(of: ip) {
        case .usable: break
        case .unusable: return nil
        case .malformed:
            guard Self.isHostName(ip) else { throw .invalid("ip") }
            return nil
        }
        self.init(
            component: component, foundation: foundation, generation: generation, id: id, ip: ip, network: network,
            port: port, priority: priority, relAddr: relAddr, relPort: relPort, kind: kind)
    }

    /// True for what browsers send instead of an address, such as `4d5c….local`.
    private static func isHostName(_ text: String) -> Bool {
        text.utf8.contains { (0x61...0x7a).contains($0 | 0x20) }
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0) || "-.".utf8.contains($0) }
    }

    /// The `<candidate/>` element.
    public var element: XMLElement {
        var element = XMLElement(
            "candidate", namespace: ICEUDPTransportDescription.namespace,
            attributes: [
                "component": String(component), "foundation": foundation, "generation": String(generation), "ip": ip,
                "port": String(port), "priority": String(priority), "protocol": "udp", "type": kind.rawValue,
            ])
        if !id.isEmpty { element["id"] = id }
        element["network"] = network.map { String($0) }
        element["rel-addr"] = relAddr
        element["rel-port"] = relPort.map { String($0) }
        return element
    }
}
