// XEP-0320: Use of DTLS-SRTP in Jingle Sessions. Fingerprint and roles of a TLS or DTLS connection.
public import XML

/// The fingerprint of a certificate and the part its owner takes in the handshake.
public struct FingerprintDescription: Sendable, Hashable {
    /// The namespace of `<fingerprint/>`.
    public static let namespace = "urn:xmpp:jingle:apps:dtls:0"

    /// The hash functions of RFC 8122 § 5 that are still to be trusted.
    public enum HashFunction: String, Sendable, Hashable, CaseIterable {
        case sha256 = "sha-256"
        case sha384 = "sha-384"
        case sha512 = "sha-512"

        /// The length of a fingerprint, in bytes.
        public var byteCount: Int {
            switch self {
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }
    }

    /// Who opens the connection (RFC 4145 § 4).
    public enum Setup: String, Sendable, Hashable, CaseIterable {
        /// This side opens it: it is the client.
        case active
        /// This side would do either; only in an offer.
        case actpass
        /// This side waits: it is the server.
        case passive
        /// No connection for now; neither offered nor accepted here.
        case holdconn

        /// The answer to this offer: either role is free for `actpass`, and the other one is left for `active` and
        /// `passive` (RFC 8842 § 5.3).
        ///
        /// - Parameter preferred: what to answer where there is a choice; RFC 8842 recommends `active`.
        /// - Returns: `active` or `passive`; `nil` for `holdconn`, which permits neither.
        public func answer(preferring preferred: HandshakeRole = .client) -> Setup? {
            switch self {
            case .actpass: preferred == .client ? .active : .passive
            case .active: .passive
            case .passive: .active
            case .holdconn: nil
            }
        }

        /// The role of the offerer, given the answer; `nil` when the answer is not a permitted one.
        public func offererRole(answer: Setup) -> HandshakeRole? {
            switch (self, answer) {
            case (.actpass, .active), (.passive, .active): .server
            case (.actpass, .passive), (.active, .passive): .client
            case (.active, .active), (.passive, .passive), (.holdconn, _), (_, .actpass), (_, .holdconn): nil
            }
        }
    }

    /// The two parts of a TLS, DTLS or QUIC handshake.
    public enum HandshakeRole: Sendable, Hashable {
        case client, server

        /// The other side's part.
        public var opposite: HandshakeRole {
            switch self {
            case .client: .server
            case .server: .client
            }
        }
    }

    /// The function.
    public let hash: HashFunction
    /// The fingerprint; as many bytes as the function gives.
    public let bytes: [UInt8]
    /// The part of its owner in the handshake.
    public var setup: Setup

    /// Creates a fingerprint; `nil` when it does not have the function's length.
    public init?(hash: HashFunction = .sha256, bytes: [UInt8], setup: Setup) {
        guard bytes.count == hash.byteCount else { return nil }
        self.hash = hash
        self.bytes = bytes
        self.setup = setup
    }

    /// Reads a `<fingerprint/>` element: pairs of hexadecimal digits with colons between (RFC 8122 § 5), in either
    /// case and with white space around.
    ///
    /// - Throws: `JingleSyntaxError` when the function or role is unknown or absent, or the value malformed.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        guard let hash = HashFunction(rawValue: try element.required("hash").lowercased()) else {
            throw .invalid("hash")
        }
        guard let setup = Setup(rawValue: try element.required("setup")) else { throw .invalid("setup") }
        let text = Array(try element.limitedText(1024).trimmed.utf8)
        guard text.count == 3 * hash.byteCount - 1 else { throw .invalid("fingerprint") }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: text.count, by: 3) {
            guard let high = Self.digit(text[index]), let low = Self.digit(text[index + 1]),
                index + 2 == text.count || text[index + 2] == UInt8(ascii: ":")
            else { throw .invalid("fingerprint") }
            bytes.append(high << 4 | low)
        }
        self.hash = hash
        self.bytes = bytes
        self.setup = setup
    }

    /// Reads the fingerprint among the children of a `<transport/>` element, if there is one.
    ///
    /// - Throws: `JingleSyntaxError` when there are several, or it is malformed.
    init?(within transport: XMLElement) throws(JingleSyntaxError) {
        let found = transport.all("fingerprint", namespace: Self.namespace)
        guard found.count <= 1 else { throw .tooMany("fingerprint") }
        guard let element = found.first else { return nil }
        try self.init(element)
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x61...0x66: character - 0x61 + 10
        case 0x41...0x46: character - 0x41 + 10
        default: nil
        }
    }

    /// The fingerprint as it is written: upper-case pairs with colons between.
    public var text: String {
        let digits = Array("0123456789ABCDEF".unicodeScalars)
        var text = String.UnicodeScalarView()
        for byte in bytes {
            if !text.isEmpty { text.append(":") }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(text)
    }

    /// The `<fingerprint/>` element.
    public var element: XMLElement {
        XMLElement(
            "fingerprint", namespace: Self.namespace, attributes: ["hash": hash.rawValue, "setup": setup.rawValue],
            text: text)
    }
}
