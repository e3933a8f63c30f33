// XEP-0176: Jingle ICE-UDP Transport Method, § 5 (protocol).
public import XML

/// Credentials, fingerprint and candidates of one side.
public struct ICEUDPTransportDescription: Sendable, Hashable {
    /// The namespace of `<transport/>`. Not advertised: see `Jingle.features`.
    public static let namespace = "urn:xmpp:jingle:transports:ice-udp:1"

    /// The user name fragment and password of one ICE generation (RFC 8839 § 5.4). Not a secret between the peers,
    /// but never to be logged.
    public struct Credentials: Sendable, Hashable {
        /// 4 to 256 letters, digits, `+` and `/`.
        public let ufrag: String
        /// 22 to 256 letters, digits, `+` and `/`.
        public let pwd: String

        /// Creates credentials; `nil` when one is too short, too long, or has another character.
        public init?(ufrag: String, pwd: String) {
            guard (4...256).contains(ufrag.utf8.count), (22...256).contains(pwd.utf8.count),
                (ufrag + pwd).utf8.allSatisfy(ICEUDPTransportDescription.isICECharacter)
            else { return nil }
            self.ufrag = ufrag
            self.pwd = pwd
        }
    }

    /// The address the initiator chose (§ 5.8).
    public struct RemoteCandidate: Sendable, Hashable {
        /// The component, from 1.
        public var component: UInt8
        /// The address, an IP literal.
        public var ip: String
        /// The port, from 1.
        public var port: UInt16

        /// Creates a remote candidate.
        public init(component: UInt8 = 1, ip: String, port: UInt16) {
            self.component = component
            self.ip = ip
            self.port = port
        }
    }

    /// The credentials; always there when there are candidates.
    public var credentials: Credentials?
    /// The certificate's fingerprint (XEP-0320).
    public var fingerprint: FingerprintDescription?
    /// The candidates; more may follow in transport-info.
    public var candidates: [ICECandidateDescription] = []
    /// The pair in use, told by the initiator.
    public var remoteCandidate: RemoteCandidate?

    /// Creates a description.
    public init(
        credentials: Credentials?, fingerprint: FingerprintDescription? = nil,
        candidates: [ICECandidateDescription] = []
    ) {
        self.credentials = credentials
        self.fingerprint = fingerprint
        self.candidates = candidates
    }

    /// Reads a `<transport/>` element.
    ///
    /// - Throws: `JingleSyntaxError` when credentials, fingerprint or a candidate break their rules, or when there
    ///   are candidates without credentials.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        switch (element["ufrag"], element["pwd"]) {
        case (nil, nil): credentials = nil
        case (nil, _?): throw .missing("ufrag")
        case (_?, nil): throw .missing("pwd")
        case (let ufrag?, let pwd?):
            guard let credentials = Credentials(ufrag: ufrag, pwd: pwd) else { throw .invalid("ufrag or pwd") }
            self.credentials = credentials
        }
        fingerprint = try FingerprintDescription(within: element)
        let candidates = element.all("candidate")
        guard candidates.count <= JingleLimit.candidateCount else { throw .tooMany("candidate") }
        guard candidates.isEmpty || credentials != nil else { throw .missing("ufrag") }
        for candidate in candidates {
            if let candidate = try ICECandidateDescription(candidate) { self.candidates.append(candidate) }
        }
        if let remote = element.first("remote-candidate") { remoteCandidate = try RemoteCandidate(remote) }
    }

    /// The `<transport/>` element.
    public var element: XMLElement {
        var element = XMLElement("transport", namespace: Self.namespace)
        element["ufrag"] = credentials?.ufrag
        element["pwd"] = credentials?.pwd
        if let fingerprint { element.append(fingerprint.element) }
        for candidate in candidates { element.append(candidate.element) }
        if let remoteCandidate { element.append(remoteCandidate.element) }
        return element
    }

    /// The characters of credentials and foundations (RFC 8839 § 5.1, `ice-char`).
    static func isICECharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "+"), UInt8(ascii: "/"): true
        default: false
        }
    }
}

extension ICEUDPTransportDescription.RemoteCandidate {
    init(_ element: XMLElement) throws(JingleSyntaxError) {
        guard let component = try element.number("component", as: UInt8.self) else { throw .missing("component") }
        guard let port = try element.number("port", as: UInt16.self) else { throw .missing("port") }
        let ip = try element.required("ip")
        guard component >= 1 else { throw .invalid("component") }
        guard port >= 1 else { throw .invalid("port") }
        guard IPLiteral.kind(of: ip) != .malformed else { throw .invalid("ip") }
        self.init(component: component, ip: ip, port: port)
    }

    var element: XMLElement {
        XMLElement(
            "remote-candidate", namespace: ICEUDPTransportDescription.namespace,
            attributes: ["component": String(component), "ip": ip, "port": String(port)])
    }
}
