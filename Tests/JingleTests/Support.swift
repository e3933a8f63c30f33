import Glibc
import Jingle
import XML
import XMPP

/// The captured transfers of real clients, and whatever else lies in `Fixtures/jingle`.
///
/// Read without Foundation, whose ICU does not go together with that of libxml2's headers in one test module.
enum Fixture {
    static let folder = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/Fixtures/jingle"

    static let names: [String] = {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".xml") { names.append(name) }
        }
        return names.sorted()
    }()

    private static func text(_ name: String) -> String {
        guard let file = fopen("\(folder)/\(name)", "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The stanzas of a capture, in order.
    static func stanzas(_ name: String) throws -> [XMLElement] {
        // A capture has a declaration and comments, which no stream may have.
        var rest = text(name)[...]
        var kept = ""
        for (opening, closing) in [("<?", "?>"), ("<!--", "-->")] {
            kept = ""
            while let start = rest.firstRange(of: opening), let end = rest[start.upperBound...].firstRange(of: closing)
            {
                kept += rest[..<start.lowerBound]
                rest = rest[end.upperBound...]
            }
            kept += rest
            rest = kept[...]
        }
        return try XMLElement(parsing: "<fixture>\(kept)</fixture>").elements.flatMap(\.elements)
    }

    /// The children of a capture's stanzas that are in one namespace.
    static func payloads(_ name: String, namespace: String) throws -> [XMLElement] {
        try stanzas(name).flatMap(\.elements).filter { $0.namespace == namespace }
    }
}

extension XMLElement {
    /// The element written and read again, as the peer gets it.
    func overTheWire() throws -> XMLElement { try XMLElement(parsing: serialized()) }

    /// A text that is the same for elements that mean the same: without white space between elements, and with
    /// attributes and children in one order.
    var canonical: String {
        let attributes = attributes.sorted { $0.key < $1.key }.map { " \($0.key)='\($0.value)'" }.joined()
        let text = elements.isEmpty ? text : ""
        return "<{\(namespace)}\(name)\(attributes)>\(text)" + elements.map(\.canonical).sorted().joined() + "</>"
    }
}

/// A jingle element from its inside, in the namespace of Jingle.
func jingle(_ action: String, sid: String = "s1", _ inside: String = "") throws -> XMLElement {
    try XMLElement(parsing: "<jingle xmlns='urn:xmpp:jingle:1' action='\(action)' sid='\(sid)'>\(inside)</jingle>")
}

/// A file transfer's description element.
func description(_ inside: String) throws -> XMLElement {
    try XMLElement(
        parsing: "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file>\(inside)</file></description>")
}

enum Sample {
    static let alice = JID("alice@example.org/laptop")
    static let bob = JID("bob@example.net/desk")

    static func file(_ name: String = "big.iso") -> FileDescription {
        var file = FileDescription(name: name, size: 1 << 28)
        file.hashesUsed = [.sha256]
        file.range = FileDescription.Range()
        file.mediaType = "application/octet-stream"
        return file
    }

    static func transport(ufrag: String = "abcd", setup: FingerprintDescription.Setup = .actpass) -> ContentTransport {
        let candidate = ICECandidateDescription(
            foundation: "1", id: "c1", ip: "192.0.2.1", port: 5000, priority: 2_130_706_431, kind: .host)
        let ice = ICEUDPTransportDescription(
            credentials: .init(ufrag: ufrag, pwd: "asd88fgpdd777uzjYhagZg"),
            fingerprint: FingerprintDescription(bytes: (0..<32).map { UInt8($0) }, setup: setup),
            candidates: [candidate])
        return .iceQUIC(
            ICEQUICTransportDescription(ice: ice, direct: .init(port: 40112, addresses: ["192.0.2.1", "2001:db8::7"])))
    }

    static let inBand = ContentTransport.inBand(InBandTransportDescription(sid: "x", blockSize: 4096))

    static func content(
        _ name: String = "f", by creator: JingleRole = .initiator, senders: Senders = .initiator,
        transport: ContentTransport = transport()
    ) -> Content {
        Content(
            ContentID(creator: creator, name: name), senders: senders, description: .fileTransfer(file(name)),
            transport: transport)
    }

    static func answer(_ content: Content) -> Content {
        Content(
            content.id, senders: content.senders, description: content.description,
            transport: transport(ufrag: "wxyz", setup: .active))
    }
}
