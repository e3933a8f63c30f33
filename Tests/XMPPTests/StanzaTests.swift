import TestSupport
import Testing
import XML

@testable import XMPP

struct StanzaTests {
    static let wellFormed = [
        "<iq id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq from='a@b/c' id='1' to='d@e/f' type='set'><x xmlns='urn:x'>text</x></iq>",
        "<iq id='1' type='result'/>",
        "<iq id='1' type='result'><x xmlns='urn:x'/></iq>",
        "<iq id='1' type='error'><error type='wait'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            + "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>moved</text><x xmlns='urn:x'/></error></iq>",
    ]

    @Test(arguments: wellFormed)
    func iqReadsAndWrites(_ text: String) throws {
        let iq = try IQ(try stanza(text))
        #expect(iq.element.serialized(defaultNamespace: "jabber:client") == text)
    }

    static let invalidIQs: [(String, StanzaParseError)] = [
        ("<message/>", .wrongElement),
        ("<iq xmlns='jabber:server' id='1' type='result'/>", .wrongElement),
        ("<iq type='result'/>", .missing("id")),
        ("<iq id='' type='result'/>", .missing("id")),
        ("<iq id='1'/>", .missing("type")),
        ("<iq id='1' type='fetch'/>", .invalid("type")),
        ("<iq id='1' type='get'/>", .missing("payload")),
        ("<iq id='1' type='set'>text</iq>", .missing("payload")),
        ("<iq id='1' type='get'><a xmlns='a'/><b xmlns='b'/></iq>", .invalid("payload")),
        ("<iq id='1' type='result'><a xmlns='a'/><b xmlns='b'/></iq>", .invalid("payload")),
        ("<iq id='1' type='error'><a xmlns='a'/></iq>", .missing("error")),
        ("<iq id='1' type='error'><error xmlns='urn:x'/></iq>", .missing("error")),
        ("<iq id='1' type='result' from='@'/>", .invalid("from")),
        ("<iq id='1' type='result' from=''/>", .invalid("from")),
        ("<iq id='1' type='result' to='a b@c'/>", .invalid("to")),
    ]

    @Test(arguments: invalidIQs)
    func iqRefuses(_ text: String, _ expected: StanzaParseError) throws {
        let element = try stanza(text)
        #expect(throws: expected) { try IQ(element) }
    }

    @Test(arguments: [
        ("<iq id='1' type='get' from='a@b/c'/>", "a@b/c" as String?), ("<iq id='1' type='set'/>", nil),
    ])
    func anInvalidRequestIsAnswered(_ text: String, _ to: String?) throws {
        let answer = try IQ(try #require(IQ.errorAnswer(toInvalid: try stanza(text))))
        #expect(answer.to?.description == to)
        #expect(answer.id == "1")
        #expect(answer.content == .error(StanzaError(.badRequest, kind: .modify)))
    }

    @Test(arguments: [
        "<iq id='1' type='result' from='a@b/c'/>", "<iq id='1' type='error'/>", "<iq type='get' from='a@b'/>",
        "<iq id='1' type='get' from='@'/>", "<message id='1' type='get'/>", "<iq id='1' type='fetch'/>",
    ])
    func whatIsNoRequestGetsNoAnswer(_ text: String) throws {
        #expect(IQ.errorAnswer(toInvalid: try stanza(text)) == nil)
    }

    static let errors: [(String, StanzaError)] = [
        ("<error/>", StanzaError(.undefinedCondition, kind: .cancel)),
        (
            "<error type='odd'><made-up xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
            StanzaError(.undefinedCondition, kind: .cancel)
        ),
        (
            "<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
            StanzaError(.badRequest, kind: .modify)
        ),
        (
            "<error type='continue'><x xmlns='urn:x'/><y xmlns='urn:x'/></error>",
            StanzaError(
                .undefinedCondition, kind: .continue, applicationCondition: XMLElement("x", namespace: "urn:x"))
        ),
    ]

    @Test(arguments: errors)
    func errorsAreNeverLost(_ text: String, _ expected: StanzaError) throws {
        #expect(StanzaError(try stanza(text)) == expected)
    }

    @Test(arguments: StanzaError.Condition.allCases)
    func everyConditionReadsBack(_ condition: StanzaError.Condition) {
        let error = StanzaError(condition, kind: .auth, text: "<why>")
        #expect(StanzaError(error.element) == error)
    }

    @Test func messages() throws {
        let text = "<message from='a@b/c' id='1' to='d@e' type='chat'><body>x</body></message>"
        let message = try Message(try stanza(text))
        #expect(message.kind == .chat)
        #expect(message.first("body", namespace: "jabber:client")?.text == "x")
        #expect(message.element.serialized(defaultNamespace: "jabber:client") == text)
        #expect(try Message(try stanza("<message type='odd'/>")).kind == .normal)
        let bad = try stanza("<message from='@'/>")
        #expect(throws: StanzaParseError.invalid("from")) { try Message(bad) }
    }

    static let presences: [(String, Presence.Kind, Int8)] = [
        ("<presence/>", .available, 0),
        ("<presence><priority>-128</priority></presence>", .available, -128),
        ("<presence><priority>1000</priority></presence>", .available, 0),
        ("<presence><priority>x</priority></presence>", .available, 0),
        ("<presence type='unavailable'/>", .unavailable, 0),
        ("<presence type='subscribe'/>", .subscribe, 0),
    ]

    @Test(arguments: presences)
    func presencesRead(_ text: String, _ kind: Presence.Kind, _ priority: Int8) throws {
        let presence = try Presence(try stanza(text))
        #expect(presence.kind == kind)
        #expect(presence.priority == priority)
        #expect(try Presence(presence.element) == presence)
    }

    @Test(arguments: ["<presence type=''/>", "<presence type='available'/>", "<presence to='@'/>", "<iq/>"])
    func presencesRefused(_ text: String) throws {
        let element = try stanza(text)
        #expect(throws: StanzaParseError.self) { try Presence(element) }
    }

    @Test func directedPresenceWrites() throws {
        let presence = Presence(
            to: JID("a@b/c"), priority: -1, payloads: [XMLElement("x", namespace: "urn:x")])
        #expect(
            presence.element.serialized(defaultNamespace: "jabber:client")
                == "<presence to='a@b/c'><priority>-1</priority><x xmlns='urn:x'/></presence>")
    }

    @Test func mutatedStanzasNeverTrap() throws {
        let original = Array(try Fixture.text().utf8)
        let account = try #require(JID("juliet@capulet.example"))
        var random = SeededRandom(seed: 0xF00D)
        var readCount = 0
        for _ in 0..<800 {
            var bytes = original
            for _ in 0..<3 {
                let position = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[position] = UInt8.random(in: 0x20...0x7E, using: &random)
                case 1: bytes.remove(at: position)
                case 2: bytes.insert(contentsOf: Array("'= 9/@-".utf8).shuffled(using: &random).prefix(2), at: position)
                default:
                    let end = min(bytes.count, position + Int.random(in: 1...60, using: &random))
                    bytes.insert(contentsOf: Array(bytes[position..<end]), at: position)
                }
            }
            for case .stanza(let element) in XMLStreamParser().feed(bytes) {
                readCount += try Self.read(element, account: account)
            }
        }
        #expect(readCount > 3_000)
    }

    /// Runs everything that reads a peer's stanza, and checks that what was read can be written and read again.
    private static func read(_ element: XMLElement, account: JID) throws -> Int {
        var readCount = 0
        if let iq = try? IQ(element) {
            readCount += 1
            #expect(try IQ(iq.element) == iq)
            _ = Ping.answer(to: iq)
        } else {
            _ = IQ.errorAnswer(toInvalid: element)
        }
        if let message = try? Message(element) {
            readCount += 1
            #expect(try Message(message.element) == message)
            _ = Carbon(message, account: account)
            _ = Delay(message)
        }
        if let presence = try? Presence(element) {
            readCount += 1
            #expect(try Presence(presence.element) == presence)
            _ = EntityCapabilities(presence)
        }
        for child in element.elements {
            if let info = try? ServiceDiscoveryInfo(child) {
                readCount += 1
                _ = EntityCapabilities(node: "n", of: info, sha1: sha1).verify(info, sha1: sha1)
            }
            if let items = try? ServiceDiscoveryItems(child) { readCount += items.addresses.count }
            if let services = try? ExternalService.services(in: child) { readCount += services.count }
            if let hash = Hash(child) { #expect(Hash(hash.element) == hash) }
            _ = Hash.Algorithm(announcedBy: child)
        }
        return readCount
    }
}
