// XEP-0047: In-Band Bytestreams
public import XML

/// A request about an in-band bytestream: it is opened, carries a block of data, or is closed (§ 2).
public enum InBandBytestream: Sendable, Hashable {
    /// The namespace, and the feature of those who take part.
    public static let namespace = "http://jabber.org/protocol/ibb"
    /// The longest name of a bytestream that is accepted, in UTF-8 bytes.
    public static let maximumSIDByteCount = 256

    /// The stanzas that carry the blocks.
    public enum Stanza: String, Sendable, Hashable, CaseIterable {
        case iq, message
    }

    /// Opens a bytestream for blocks of at most that many bytes before Base64 (§ 2.1).
    case open(sid: String, blockSize: UInt16, stanza: Stanza = .iq)
    /// Carries a block (§ 2.2). The sequence of each direction starts at 0, and again at 0 after 65535.
    case data(sid: String, sequence: UInt16, bytes: [UInt8])
    /// Closes a bytestream (§ 2.3).
    case close(sid: String)

    /// The name of the bytestream, which the side that opens it chose.
    public var sid: String {
        switch self {
        case .open(let sid, _, _), .data(let sid, _, _), .close(let sid): sid
        }
    }

    /// The most bytes of a block whose request is no longer than that when it travels, with room for the addresses.
    public static func blockSize(forStanzaByteCount byteCount: Int) -> Int {
        // Two addresses take less as a rule, and a server may add one.
        max(0, byteCount - 1024) / 4 * 3
    }

    /// Reads a request.
    ///
    /// - Throws: `StanzaParseError` when it is another element, or breaks a rule. Base64 must be exactly as RFC 4648 § 4
    ///   has it, without white space (§ 6).
    public init(_ element: XMLElement) throws(StanzaParseError) {
        guard element.namespace == Self.namespace else { throw .wrongElement }
        guard let sid = element["sid"] else { throw .missing("sid") }
        guard (1...Self.maximumSIDByteCount).contains(sid.utf8.count) else { throw .invalid("sid") }
        switch element.name {
        case "open":
            let blockSize = try element.unsignedShort("block-size")
            guard blockSize > 0 else { throw .invalid("block-size") }
            guard let stanza = Stanza(rawValue: element["stanza"] ?? "iq") else { throw .invalid("stanza") }
            self = .open(sid: sid, blockSize: blockSize, stanza: stanza)
        case "data":
            let text = element.text
            guard element.elements.isEmpty, text.utf8.count <= Self.maximumTextByteCount,
                let bytes = Base64.decode(text), bytes.count <= Int(UInt16.max)
            else { throw .invalid("data") }
            self = .data(sid: sid, sequence: try element.unsignedShort("seq"), bytes: bytes)
        case "close": self = .close(sid: sid)
        default: throw .wrongElement
        }
    }

    /// The payload of the request.
    public var element: XMLElement {
        switch self {
        case .open(let sid, let blockSize, let stanza):
            XMLElement(
                "open", namespace: Self.namespace,
                attributes: ["sid": sid, "block-size": String(blockSize), "stanza": stanza.rawValue])
        case .data(let sid, let sequence, let bytes):
            XMLElement(
                "data", namespace: Self.namespace, attributes: ["sid": sid, "seq": String(sequence)],
                text: Base64.encode(bytes))
        case .close(let sid): XMLElement("close", namespace: Self.namespace, attributes: ["sid": sid])
        }
    }

    private static let maximumTextByteCount = (Int(UInt16.max) + 2) / 3 * 4

    // MARK: Refusals

    /// The refusal of a block or close for a bytestream that is not known (§ 2.2, § 2.3).
    public static let unknown = StanzaError(.itemNotFound, kind: .cancel)
    /// The refusal of a bytestream that is not wanted (§ 2.1).
    public static let unwanted = StanzaError(.notAcceptable, kind: .cancel)
    /// The refusal of a bytestream whose blocks are to be smaller (§ 2.1).
    public static let tooLarge = StanzaError(.resourceConstraint, kind: .modify)
    /// The refusal of a block with a sequence number that is not the next (§ 2.2).
    public static let outOfSequence = StanzaError(.unexpectedRequest, kind: .cancel)
    /// The refusal of a request that breaks a rule (§ 2.2).
    public static let malformed = StanzaError(.badRequest, kind: .cancel)
}

extension XMLElement {
    fileprivate func unsignedShort(_ name: String) throws(StanzaParseError) -> UInt16 {
        guard let text = self[name] else { throw .missing(name) }
        // A sign would be read too.
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(text) else {
            throw .invalid(name)
        }
        return number
    }
}
