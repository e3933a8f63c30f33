// XEP-0260: Jingle SOCKS5 Bytestreams Transport Method, § 2 (protocol).
public import XML
public import XMPP

/// One side of a SOCKS5 transport: where the peer may connect, or what has become of the candidates.
public struct SOCKS5TransportDescription: Sendable, Hashable {
    /// The namespace of `<transport/>`, and the disco feature.
    public static let namespace = "urn:xmpp:jingle:transports:s5b:1"

    /// A place where a party, or its proxy, listens (§ 2.2).
    public struct Candidate: Sendable, Hashable {
        /// How the peer gets there (§ 2.2, table 1).
        public enum Kind: String, Sendable, Hashable, CaseIterable {
            /// The party itself, behind a NAT that was told to let connections in.
            case assisted
            /// The party itself.
            case direct
            /// A proxy (XEP-0065 § 4).
            case proxy
            /// The party itself, through a tunnel.
            case tunnel

            /// What the type adds to a priority: 2^16 times this (§ 2.2.1).
            public var preference: UInt32 {
                switch self {
                case .direct: 126
                case .assisted: 120
                case .tunnel: 110
                case .proxy: 10
                }
            }
        }

        /// The candidate's name in the session.
        public var cid: String
        /// A host name or IP address; not safe to print.
        public var host: String
        /// The TCP port, from 1.
        public var port: UInt16
        /// The address of the one who listens there: the party, or the proxy.
        public var jid: JID
        /// The higher, the earlier it is tried.
        public var priority: UInt32
        /// How the peer gets there.
        public var kind: Kind

        /// Creates a candidate.
        public init(cid: String, host: String, port: UInt16, jid: JID, priority: UInt32, kind: Kind) {
            self.cid = cid
            self.host = host
            self.port = port
            self.jid = jid
            self.priority = priority
            self.kind = kind
        }
    }

    /// What a transport-info tells (§ 2.4, § 2.5).
    public enum Info: Sendable, Hashable {
        /// The candidate with that name was reached, and is the best that was.
        case candidateUsed(cid: String)
        /// No candidate was reached.
        case candidateError
        /// The proxy with that name has been told to carry bytes.
        case activated(cid: String)
        /// The proxy could not be used.
        case proxyError
    }

    /// What carries the bytes; nobody is known to use UDP.
    public enum Mode: String, Sendable, Hashable, CaseIterable {
        case tcp, udp
    }

    /// The name of the bytestream, which both sides use.
    public var sid: String
    /// What carries the bytes, for the offer to say; `nil` is TCP (§ 2.2).
    public var mode: Mode?
    /// The destination address to give to the proxies of this side (XEP-0065 § 5.3.2): 40 hexadecimal digits.
    public var destinationAddress: String?
    /// Where the peer may connect.
    public var candidates: [Candidate]
    /// What a transport-info tells.
    public var info: Info?
    /// The fingerprint of the certificate for TLS inside the bytestream; only between those who advertise
    /// ``BytestreamTLS/namespace``.
    public var fingerprint: FingerprintDescription?

    /// Creates a description.
    public init(
        sid: String, mode: Mode? = nil, destinationAddress: String? = nil, candidates: [Candidate] = [],
        info: Info? = nil, fingerprint: FingerprintDescription? = nil
    ) {
        self.sid = sid
        self.mode = mode
        self.destinationAddress = destinationAddress
        self.candidates = candidates
        self.info = info
        self.fingerprint = fingerprint
    }

    /// Reads a `<transport/>` element.
    ///
    /// - Throws: `JingleSyntaxError` when a part breaks its rules.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        self.init(sid: try element.required("sid"))
        if let word = element["mode"] {
            guard let mode = Mode(rawValue: word) else { throw .invalid("mode") }
            self.mode = mode
        }
        if let text = try element.optional("dstaddr") {
            guard text.utf8.count == 40, text.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
                throw .invalid("dstaddr")
            }
            destinationAddress = text
        }
        fingerprint = try FingerprintDescription(within: element)
        let candidates = element.all("candidate")
        guard candidates.count <= JingleLimit.candidateCount else { throw .tooMany("candidate") }
        self.candidates = try candidates.map { (child) throws(JingleSyntaxError) in try Candidate(child) }
        info = try Info(within: element)
    }

    /// The `<transport/>` element.
    public var element: XMLElement {
        var element = XMLElement("transport", namespace: Self.namespace, attributes: ["sid": sid])
        element["mode"] = mode?.rawValue
        element["dstaddr"] = destinationAddress
        if let fingerprint { element.append(fingerprint.element) }
        for candidate in candidates { element.append(candidate.element) }
        if let info { element.append(info.element) }
        return element
    }
}

extension SOCKS5TransportDescription.Candidate {
    /// Reads a `<candidate/>` element. Without a type it is `direct`, and without a port 1080 (XEP-0065 § 4.2).
    init(_ element: XMLElement) throws(JingleSyntaxError) {
        let port = try element.number("port", as: UInt16.self) ?? 1080
        guard port >= 1 else { throw .invalid("port") }
        guard let jid = JID(try element.required("jid", maximum: 3071)) else { throw .invalid("jid") }
        guard let priority = try element.number("priority", as: UInt32.self) else { throw .missing("priority") }
        guard let kind = Kind(rawValue: element["type"] ?? "direct") else { throw .invalid("type") }
        let host = try element.required("host")
        guard host.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw .invalid("host") }
        self.init(
            cid: try element.required("cid"), host: host, port: port, jid: jid, priority: priority, kind: kind)
    }

    var element: XMLElement {
        XMLElement(
            "candidate", namespace: SOCKS5TransportDescription.namespace,
            attributes: [
                "cid": cid, "host": host, "port": String(port), "jid": jid.description, "priority": String(priority),
                "type": kind.rawValue,
            ])
    }
}

extension SOCKS5TransportDescription.Info {
    fileprivate init?(within element: XMLElement) throws(JingleSyntaxError) {
        var found: [Self] = []
        for child in element.elements where child.namespace == SOCKS5TransportDescription.namespace {
            switch child.name {
            case "candidate-used": found.append(.candidateUsed(cid: try child.required("cid")))
            case "candidate-error": found.append(.candidateError)
            case "activated": found.append(.activated(cid: try child.required("cid")))
            case "proxy-error": found.append(.proxyError)
            default: break
            }
        }
        guard found.count <= 1 else { throw .tooMany("transport") }
        guard let first = found.first else { return nil }
        self = first
    }

    fileprivate var element: XMLElement {
        let namespace = SOCKS5TransportDescription.namespace
        return switch self {
        case .candidateUsed(let cid): XMLElement("candidate-used", namespace: namespace, attributes: ["cid": cid])
        case .candidateError: XMLElement("candidate-error", namespace: namespace)
        case .activated(let cid): XMLElement("activated", namespace: namespace, attributes: ["cid": cid])
        case .proxyError: XMLElement("proxy-error", namespace: namespace)
        }
    }
}
