import Foundation
import TestSupport
import Testing

@testable import XML

struct XMLStreamParserTests {
    static let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

    static func events(_ text: String, limits: XMLStreamParser.Limits = .init()) -> [XMLStreamEvent] {
        XMLStreamParser(limits: limits).feed(Array(text.utf8))
    }

    /// The failure that a text inside a stream leads to.
    static func failure(_ text: String, limits: XMLStreamParser.Limits = .init()) -> XMLStreamError? {
        if case .failed(let error)? = events(header + text, limits: limits).last { error } else { nil }
    }

    static func fixture() throws -> [UInt8] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        return Array(try Data(contentsOf: tests.appendingPathComponent("../../Fixtures/XML/stream.xml")))
    }

    @Test func readsHeaderStanzasAndEnd() throws {
        let events = XMLStreamParser().feed(try Self.fixture())
        try #require(events.count == 6)
        let header = XMLElement(
            "stream", namespace: "http://etherx.jabber.org/streams",
            attributes: ["id": "c0ffee", "from": "capulet.example", "version": "1.0", "xml:lang": "en"])
        #expect(events[0] == .header(header))
        let query = XMLElement(
            "query", namespace: "urn:example:q",
            attributes: ["{urn:example:o}kind": "<odd>", "plain": "it's"], children: [])
        guard case .stanza(let iq) = events[2] else { return #expect(Bool(false), "no stanza") }
        #expect(iq.matches("iq", namespace: "jabber:client"))
        #expect(iq.attributes == ["type": "result", "id": "1&2", "to": "juliet@capulet.example/балкон"])
        let child = try #require(iq.elements.first)
        #expect(child.attributes == query.attributes)
        #expect(
            child.children == [
                .element(XMLElement("item", namespace: "urn:example:q")),
                .text("text \u{2603} \"more\" <raw> & end"),
            ])
        guard case .stanza(let message) = events[3] else { return #expect(Bool(false), "no stanza") }
        #expect(message["xml:lang"] == "it")
        #expect(message.first("body")?.text == "Ciao, 👋🏽 è\ttardi\ne basta")
        #expect(message.first("x", namespace: "") != nil)
        #expect(events[4] == .stanza(XMLElement("presence", namespace: "jabber:client")))
        #expect(events[5] == .end)
    }

    @Test func eventsDoNotDependOnHowTheStreamIsCut() throws {
        let bytes = try Self.fixture()
        let whole = XMLStreamParser().feed(bytes)
        for cut in 1..<bytes.count {
            let parser = XMLStreamParser()
            #expect(parser.feed(bytes[..<cut]) + parser.feed(bytes[cut...]) == whole, "cut at \(cut)")
        }
        let parser = XMLStreamParser()
        #expect(bytes.flatMap { parser.feed(CollectionOfOne($0)) } == whole)
    }

    @Test func stanzaIsReportedWithItsLastByte() {
        let parser = XMLStreamParser()
        #expect(parser.feed(Array(Self.header.utf8)).count == 1)
        let stanza = Array("<iq id='1'><ping/></iq>".utf8)
        #expect(parser.feed(stanza.dropLast()).isEmpty)
        #expect(parser.feed(stanza.suffix(1)).count == 1)
    }

    static let invalid: [(String, XMLStreamError)] = [
        ("<a><!-- comment --></a>", .restricted(.comment)),
        ("<!-- comment -->", .restricted(.comment)),
        ("<a><?php echo ?></a>", .restricted(.processingInstruction)),
        ("<?xml version='1.0'?><a/>", .restricted(.processingInstruction)),
        ("<a>&unknown;</a>", .restricted(.entityReference)),
        ("<a b='&unknown;'/>", .restricted(.entityReference)),
        ("<!DOCTYPE a><a/>", .notWellFormed),
        ("text", .textOutsideStanza),
        ("<![CDATA[x]]>", .textOutsideStanza),
        ("&#65;", .textOutsideStanza),
        ("<a></b>", .notWellFormed),
        ("<a b='1' b='2'/>", .notWellFormed),
        ("<a xmlns:x='urn:1' xmlns:y='urn:1' x:b='1' y:b='2'/>", .notWellFormed),
        ("<a b=1/>", .notWellFormed),
        ("<a b/>", .notWellFormed),
        ("<a b='<'/>", .notWellFormed),
        ("<a>&#0;</a>", .notWellFormed),
        ("<a>&#x1F;</a>", .notWellFormed),
        ("<a>&#xD800;</a>", .notWellFormed),
        ("<a>&#xFFFF;</a>", .notWellFormed),
        ("<a>&#x110000;</a>", .notWellFormed),
        ("<a>\u{1}</a>", .notWellFormed),
        ("<a>\u{FFFE}</a>", .notWellFormed),
        ("<a>]]></a>", .notWellFormed),
        ("<a>& ;</a>", .notWellFormed),
        ("< a/>", .notWellFormed),
        ("<1/>", .notWellFormed),
        ("<x:a/>", .undeclaredPrefix),
        ("<a x:b='1'/>", .undeclaredPrefix),
        ("<a xmlns:x=''><x:b/></a>", .undeclaredPrefix),
    ]

    @Test(arguments: invalid)
    func invalidXMLEndsTheStream(_ text: String, _ expected: XMLStreamError) {
        #expect(Self.failure(text + "<b/>") == expected)
        // The same when it comes byte by byte.
        let parser = XMLStreamParser()
        let events = Array((Self.header + text + "<b/>").utf8).flatMap { parser.feed(CollectionOfOne($0)) }
        #expect(events.last == .failed(expected))
    }

    static let invalidFromTheStart: [(String, XMLStreamError)] = [
        ("<!DOCTYPE stream><stream/>", .restricted(.documentTypeDeclaration)),
        (
            "<!DOCTYPE b [<!ENTITY a 'x'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]><b>&c;</b>",
            .restricted(.documentTypeDeclaration)
        ),
        ("<!DOCTYPE b SYSTEM 'file:///etc/hostname'><b/>", .restricted(.documentTypeDeclaration)),
        (
            "<!DOCTYPE b [<!ENTITY a SYSTEM 'file:///etc/hostname'>]><b>&a;</b>",
            .restricted(.documentTypeDeclaration)
        ),
        ("<!DOCTYPE b [<!ENTITY % p SYSTEM 'http://127.0.0.1/'> %p;]><b/>", .restricted(.documentTypeDeclaration)),
        ("<!-- c --><stream/>", .restricted(.comment)),
        ("<?pi ?><stream/>", .restricted(.processingInstruction)),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><stream/>", .unsupportedEncoding),
        ("<?xml version='1.0' encoding='UTF-16'?><stream/>", .notWellFormed),
        ("<?xml version='1.0' encoding='no-such'?><stream/>", .unsupportedEncoding),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", .notWellFormed),
        ("   xyz", .notWellFormed),
    ]

    @Test(arguments: invalidFromTheStart)
    func invalidBeginningEndsTheStream(_ text: String, _ expected: XMLStreamError) {
        #expect(Self.events(text) == [.failed(expected)])
        let parser = XMLStreamParser()
        #expect(Array(text.utf8).flatMap { parser.feed(CollectionOfOne($0)) } == [.failed(expected)])
    }

    static let invalidUTF8: [[UInt8]] = [
        [0x80], [0xC3, 0x28], [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
        [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFF], [0xFE],
    ]

    @Test(arguments: invalidUTF8)
    func bytesThatAreNotUTF8EndTheStream(_ bytes: [UInt8]) {
        for (before, after) in [("<a>", "</a><b/>"), ("<a b='", "'/><b/>"), ("<a", "/><b/>")] {
            let all = Array((Self.header + before).utf8) + bytes + Array(after.utf8)
            #expect(XMLStreamParser().feed(all).last == .failed(.notWellFormed))
        }
    }

    @Test func otherEncodingsAreNotGuessed() {
        for bytes: [UInt8] in [
            [0xFE, 0xFF, 0, 0x3C, 0, 0x61, 0, 0x2F, 0, 0x3E], [0x3C, 0, 0x61, 0, 0x2F, 0, 0x3E, 0],
        ] {
            #expect(XMLStreamParser().feed(bytes) == [.failed(.notWellFormed)])
        }
    }

    @Test func oddNamespaceNamesAreAccepted() {
        // They break no rule that RFC 6120 holds against the sender, and any contact can send them.
        #expect(Self.failure("<a xmlns='not a uri %%'/>") == nil)
        #expect(Self.failure("<a xmlns:x='relative' x:b='1'/>") == nil)
    }

    @Test func depthIsLimited() {
        func nested(_ depth: Int) -> String {
            String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        }
        let limits = XMLStreamParser.Limits(depth: 8)
        #expect(Self.failure(nested(8), limits: limits) == nil)
        #expect(Self.failure(nested(9), limits: limits) == .limitExceeded(.depth))
        #expect(Self.failure(nested(64)) == nil)
        #expect(Self.failure(nested(65)) == .limitExceeded(.depth))
        #expect(Self.failure(nested(100_000)) == .limitExceeded(.depth))
    }

    @Test func stanzaSizeIsLimitedExactlyHoweverItIsCut() {
        let limits = XMLStreamParser.Limits(stanzaByteCount: 200)
        func stanza(_ size: Int) -> String { "<a>" + String(repeating: "x", count: size - 7) + "</a>" }
        for text in [stanza(200), stanza(200) + stanza(200), stanza(150) + "  " + stanza(198)] {
            #expect(Self.failure(text, limits: limits) == nil)
        }
        for text in [stanza(201), stanza(150) + "  " + stanza(199), stanza(200) + String(repeating: " ", count: 201)] {
            #expect(Self.failure(text, limits: limits) == .limitExceeded(.stanzaSize))
            let parser = XMLStreamParser(limits: limits)
            let events = Array((Self.header + text).utf8).flatMap { parser.feed(CollectionOfOne($0)) }
            #expect(events.last == .failed(.limitExceeded(.stanzaSize)))
        }
    }

    @Test(arguments: ["<a>", "<a b='", "<", "</", "<![CDATA[", "&", "<a xmlns='", "<!--", "<?", "   "])
    func nothingGrowsWithoutEnd(_ start: String) {
        let parser = XMLStreamParser(limits: .init(stanzaByteCount: 50_000))
        _ = parser.feed(Array((Self.header + start).utf8))
        let piece = [UInt8](repeating: start == "   " ? 0x20 : 0x61, count: 1000)
        var failed = false
        for _ in 0..<60 where !failed {
            if case .failed? = parser.feed(piece).last { failed = true }
        }
        #expect(failed)
    }

    @Test func attributesAreLimited() {
        func element(_ count: Int) -> String { "<a" + (0..<count).map { " a\($0)='1'" }.joined() + "/>" }
        #expect(Self.failure(element(64)) == nil)
        #expect(Self.failure(element(65)) == .limitExceeded(.attributeCount))
        let declarations = "<a" + (0..<65).map { " xmlns:p\($0)='urn:\($0)'" }.joined() + "/>"
        #expect(Self.failure(declarations) == .limitExceeded(.attributeCount))
    }

    @Test func namesAreLimited() {
        func name(_ count: Int) -> String { String(repeating: "n", count: count) }
        #expect(Self.failure("<\(name(1024))/>") == nil)
        for text in [
            "<\(name(1025))/>", "<a \(name(1025))='1'/>", "<a xmlns='\(name(1025))'/>",
            "<a xmlns:x='\(name(1025))'/>",
        ] {
            #expect(Self.failure(text) == .limitExceeded(.nameLength))
        }
        // libxml2's own limit comes first.
        #expect(Self.failure("<\(name(60_000))/>") == .notWellFormed)
    }

    @Test func aLongStreamOfSmallStanzasNeverReachesALimit() {
        let parser = XMLStreamParser(limits: .init(stanzaByteCount: 5000))
        _ = parser.feed(Array(Self.header.utf8))
        let stanzas = Array(
            String(repeating: "<a><b>\(String(repeating: "x", count: 4000))</b></a>\n", count: 100).utf8)
        for _ in 0..<60 {
            let events = parser.feed(stanzas)
            guard events.count == 100, case .stanza? = events.last else {
                return #expect(Bool(false), "\(events.count)")
            }
        }
    }

    @Test func nothingIsReadAfterTheEndOrAFailure() {
        let ended = XMLStreamParser()
        #expect(ended.feed(Array("<a></a><b/><!-- c -->".utf8)).last == .end)
        #expect(ended.feed(Array("<c/>".utf8)).isEmpty)
        let failed = XMLStreamParser()
        #expect(failed.feed(Array("<a><!-- c --><b/></a>".utf8)).last == .failed(.restricted(.comment)))
        #expect(failed.feed(Array("<b/>".utf8)).isEmpty)
    }

    @Test func mutatedStreamsNeverTrap() throws {
        let plain = try Self.fixture()
        let subset = "<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d SYSTEM 'e'><!ATTLIST a f CDATA #IMPLIED>]>"
        let withSubset = Array(subset.utf8) + plain.dropFirst(39)
        var random = SeededRandom(seed: 0x5EED)
        var outcomes = Set<Bool>()
        for round in 0..<4000 {
            var bytes = round.isMultiple(of: 8) ? withSubset : plain
            for _ in 0..<Int.random(in: 1...6, using: &random) { bytes.mutate(using: &random) }
            let whole = XMLStreamParser().feed(bytes)
            let parser = XMLStreamParser()
            let cut = Int.random(in: 0...bytes.count, using: &random)
            // The reading must not depend on the cut, whatever the bytes are.
            #expect(parser.feed(bytes[..<cut]) + parser.feed(bytes[cut...]) == whole)
            outcomes.insert(whole.last == .end)
        }
        #expect(outcomes.count == 2)
    }
}

extension [UInt8] {
    /// Changes, removes, inserts or repeats something somewhere.
    mutating func mutate(using random: inout SeededRandom) {
        guard let position = indices.randomElement(using: &random) else { return }
        switch Int.random(in: 0..<5, using: &random) {
        case 0: self[position] = UInt8.random(in: 0...255, using: &random)
        case 1: self[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: removeSubrange(position..<Swift.min(count, position + Int.random(in: 1...20, using: &random)))
        case 3:
            insert(
                contentsOf: Array("<>&'\"/=!?[]-#;:x \u{0}\u{FFFE}".utf8).shuffled(using: &random).prefix(3),
                at: position)
        default:
            let end = Swift.min(count, position + Int.random(in: 1...40, using: &random))
            insert(contentsOf: Array(self[position..<end]), at: position)
        }
    }
}
