// Our own ICE-QUIC transport, version 0: XEP-0176 and XEP-0320 inside, QUIC on top.
public import XML

/// One side of an ICE-QUIC transport: an ICE-UDP transport, and TCP addresses to dial directly.
public struct ICEQUICTransportDescription: Sendable, Hashable {
    /// The namespace of the outer `<transport/>`, and the disco feature.
    public static let namespace = "urn:sleigh:jingle:transports:ice-quic:0"

    /// TCP addresses on which a side listens for the length of the negotiation.
    public struct Direct: Sendable, Hashable {
        /// The port, from 1.
        public var port: UInt16
        /// The addresses, IP literals without a zone.
        public var addresses: [String]

        /// Creates a listener's description.
        public init(port: UInt16, addresses: [String]) {
            self.port = port
            self.addresses = addresses
        }
    }

    /// Credentials, fingerprint and candidates.
    public var ice: ICEUDPTransportDescription
    /// The TCP listener, if there is one.
    public var direct: Direct?
    /// True when no more candidates will follow in this ICE generation.
    ///
    /// It travels as `<gathering-complete/>` in our namespace, beside the inner transport: XEP-0176 has no such
    /// element, and that of XEP-0371 § 11 belongs to another transport.
    public var isGatheringComplete: Bool

    /// Creates a description.
    public init(ice: ICEUDPTransportDescription, direct: Direct? = nil, isGatheringComplete: Bool = false) {
        self.ice = ice
        self.direct = direct
        self.isGatheringComplete = isGatheringComplete
    }

    /// Reads the outer `<transport/>` element. A missing inner one reads as an empty one, so that a transport-info
    /// may carry the end of candidates alone.
    ///
    /// - Throws: `JingleSyntaxError` when a part breaks its rules or is there twice.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        let inner = element.all("transport", namespace: ICEUDPTransportDescription.namespace)
        guard inner.count <= 1 else { throw .invalid("transport") }
        ice =
            if let inner = inner.first {
                try ICEUDPTransportDescription(inner)
            } else {
                ICEUDPTransportDescription(credentials: nil)
            }
        let listeners = element.all("direct")
        guard listeners.count <= 1 else { throw .invalid("direct") }
        direct = if let listener = listeners.first { try Direct(listener) } else { nil }
        // A port without an address leads nowhere.
        if direct?.addresses.isEmpty == true { direct = nil }
        isGatheringComplete = element.first("gathering-complete") != nil
    }

    /// The outer `<transport/>` element.
    public var element: XMLElement {
        var element = XMLElement("transport", namespace: Self.namespace)
        if ice != ICEUDPTransportDescription(credentials: nil) { element.append(ice.element) }
        if let direct { element.append(direct.element) }
        if isGatheringComplete { element.append(XMLElement("gathering-complete", namespace: Self.namespace)) }
        return element
    }
}

extension ICEQUICTransportDescription.Direct {
    init(_ element: XMLElement) throws(JingleSyntaxError) {
        guard let port = try element.number("port", as: UInt16.self) else { throw .missing("port") }
        guard port >= 1 else { throw .invalid("port") }
        let children = element.all("address")
        guard children.count <= JingleLimit.addressCount else { throw .tooMany("address") }
        var addresses: [String] = []
        for child in children {
            let address = try child.limitedText(JingleLimit.identifierByteCount).trimmed
            switch IPLiteral.kind(of: address) {
            case .usable: if !addresses.contains(address) { addresses.append(address) }
            case .unusable: break
            case .malformed: throw .invalid("address")
            }
        }
        self.init(port: port, addresses: addresses)
    }

    var element: XMLElement {
        let namespace = ICEQUICTransportDescription.namespace
        return XMLElement(
            "direct", namespace: namespace, attributes: ["port": String(port)],
            children: addresses.map { XMLElement("address", namespace: namespace, text: $0) })
    }
}
