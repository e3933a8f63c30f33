// XEP-0261: Jingle In-Band Bytestreams Transport Method, § 2 (protocol).
public import XML
public import XMPP

/// One side of an in-band transport.
public struct InBandTransportDescription: Sendable, Hashable {
    /// The namespace of `<transport/>`, and the disco feature.
    public static let namespace = "urn:xmpp:jingle:transports:ibb:1"

    /// The stanzas that carry the blocks.
    public typealias Stanza = InBandBytestream.Stanza

    /// The name of the bytestream, which both sides use.
    public var sid: String
    /// The most bytes of one block before Base64; the smaller of both sides' counts.
    public var blockSize: UInt16
    /// The stanzas that carry the blocks.
    public var stanza: Stanza
    /// The fingerprint of the certificate for TLS inside the bytestream; only between those who advertise
    /// ``BytestreamTLS/namespace``.
    public var fingerprint: FingerprintDescription?

    /// Creates a description.
    public init(sid: String, blockSize: UInt16, stanza: Stanza = .iq, fingerprint: FingerprintDescription? = nil) {
        self.sid = sid
        self.blockSize = blockSize
        self.stanza = stanza
        self.fingerprint = fingerprint
    }

    /// Reads a `<transport/>` element. A block size above 65535 is not permitted (XEP-0047 § 2.1).
    ///
    /// - Throws: `JingleSyntaxError` when a part breaks its rules.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        guard let blockSize = try element.number("block-size", as: UInt16.self) else { throw .missing("block-size") }
        guard blockSize >= 1 else { throw .invalid("block-size") }
        guard let stanza = Stanza(rawValue: element["stanza"] ?? "iq") else { throw .invalid("stanza") }
        self.init(
            sid: try element.required("sid"), blockSize: blockSize, stanza: stanza,
            fingerprint: try FingerprintDescription(within: element))
    }

    /// The `<transport/>` element.
    public var element: XMLElement {
        var element = XMLElement(
            "transport", namespace: Self.namespace, attributes: ["sid": sid, "block-size": String(blockSize)])
        if stanza != .iq { element["stanza"] = stanza.rawValue }
        if let fingerprint { element.append(fingerprint.element) }
        return element
    }
}
