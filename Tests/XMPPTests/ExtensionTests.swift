import Testing
import XML

@testable import XMPP

struct ExtensionTests {
    // MARK: XEP-0199

    @Test func pingIsAnswered() throws {
        let request = try IQ(try stanza("<iq id='1' type='get' from='a@b/c'><ping xmlns='urn:xmpp:ping'/></iq>"))
        #expect(
            Ping.answer(to: request)?.element.serialized(defaultNamespace: "jabber:client")
                == "<iq id='1' to='a@b/c' type='result'/>")
        #expect(Ping.answer(to: IQ(to: nil, id: "1", content: .set(Ping.request))) == nil)
    }

    // MARK: XEP-0215

    @Test func servicesAreRead() throws {
        let iq = try IQ(try Fixture.stanza(3))
        guard case .result(let payload?) = iq.content else { return #expect(Bool(false), "no result") }
        let services = try ExternalService.services(in: payload)
        try #require(services.count == 2)
        #expect(services[0].kind == .stun)
        #expect(services[0].transport == .udp)
        #expect(services[0].host == "stun.capulet.example")
        #expect(services[0].port == 3478)
        #expect(services[0].username == nil && services[0].password == nil && !services[0].isRestricted)
        #expect(services[1].kind == .turns)
        #expect(services[1].transport == .tcp)
        #expect(services[1].username == "u")
        #expect(services[1].password?.text == "p")
        #expect(services[1].expires == Timestamp(unixSeconds: 1_769_860_800))
        #expect(services[1].isRestricted)
        #expect(
            services[1].credentialsRequest.serialized()
                == "<credentials xmlns='urn:xmpp:extdisco:2'><service host='192.0.2.1' port='5349' type='turns'/>"
                + "</credentials>")
        #expect(!"\(services[1])".contains("\"p\""))
    }

    @Test(arguments: [
        "<service type='ftp' host='a'/>", "<service type='stun'/>", "<service host='a'/>",
        "<service type='stun' host=''/>", "<service type='stun' host='a b'/>", "<service type='stun' host='a&#10;'/>",
        "<service type='stun' host='a' port='0'/>", "<service type='stun' host='a' port='65536'/>",
        "<service type='stun' host='a' port='-1'/>", "<service type='stun' host='a' transport='sctp'/>",
    ])
    func uselessServicesAreLeftOut(_ text: String) throws {
        let element = try XMLElement(parsing: "<services xmlns='urn:xmpp:extdisco:2'>\(text)</services>")
        #expect(try ExternalService.services(in: element) == [])
    }

    @Test func servicesAreBounded() throws {
        let one = "<service type='turn' host='a' transport='UDP'/>"
        let element = try XMLElement(
            parsing: "<services xmlns='urn:xmpp:extdisco:2'>\(String(repeating: one, count: 500))</services>")
        #expect(try ExternalService.services(in: element).count == 32)
        #expect(throws: StanzaParseError.wrongElement) { try ExternalService.services(in: Ping.request) }
    }

    // MARK: XEP-0082, XEP-0203

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59Z", -1), ("2000-02-29T12:00:00Z", 951_825_600),
        ("2026-01-31T12:34:56.789+01:00", 1_769_859_296), ("2002-09-10T23:08:25Z", 1_031_699_305),
        ("2002-09-10T18:08:25-05:00", 1_031_699_305), ("20020910T23:08:25", 1_031_699_305),
        ("2100-03-01T00:00:00Z", 4_107_542_400), ("0001-01-01T00:00:00Z", -62_135_596_800),
    ])
    func timestamps(_ text: String, _ unixSeconds: Int64) {
        #expect(Timestamp(text)?.unixSeconds == unixSeconds)
    }

    @Test(arguments: [
        "", "2026-01-31", "2026-01-31T12:34:56", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T00:60:00Z", "2026-01-31T00:00:00.Z",
        "2026-01-31T00:00:00Zx", "2026-01-31 00:00:00Z", "2026-01-31T00:00:00+24:00", "2026-01-31T00:00:00+1:00",
        "+026-01-31T00:00:00Z", "2026-00-10T00:00:00Z", "2026-01-00T00:00:00Z", "0000-01-01T00:00:00Z",
    ])
    func invalidTimestamps(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func delayIsRead() throws {
        let delay = try #require(Delay(try Message(try Fixture.stanza(6))))
        #expect(delay.from == JID("capulet.example"))
        #expect(delay.stamp.unixSeconds == 1_769_859_296)
        #expect(Delay(try Message(try Fixture.stanza(5))) == nil)
    }

    // MARK: XEP-0280, XEP-0334

    @Test func carbonsComeOnlyFromTheOwnAccount() throws {
        let account = try #require(JID("juliet@capulet.example"))
        var message = try Message(try Fixture.stanza(5))
        let carbon = try #require(Carbon(message, account: account))
        #expect(carbon.direction == .received)
        #expect(carbon.message.from == JID("romeo@montague.example/orchard"))
        for forger in ["romeo@montague.example/orchard", "juliet@capulet.example/other", "capulet.example"] {
            message.from = JID(forger)
            #expect(Carbon(message, account: account) == nil)
        }
        message.from = nil
        #expect(Carbon(message, account: account) == carbon)
    }

    @Test(arguments: [
        "<received xmlns='urn:xmpp:carbons:2'/>",
        "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></sent>",
        "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message from='@'/></forwarded></sent>",
        "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
            + "<iq xmlns='jabber:client'/></forwarded></sent>",
        "<private xmlns='urn:xmpp:carbons:2'/>",
    ])
    func brokenCarbonsAreNone(_ text: String) throws {
        let account = try #require(JID("juliet@capulet.example"))
        let message = try Message(try stanza("<message>\(text)</message>"))
        #expect(Carbon(message, account: account) == nil)
    }

    @Test func requestsAndHints() {
        #expect(Carbon.enableRequest.serialized() == "<enable xmlns='urn:xmpp:carbons:2'/>")
        #expect(MessageHint.noPermanentStore.element.serialized() == "<no-permanent-store xmlns='urn:xmpp:hints'/>")
        #expect(ExternalService.request.serialized() == "<services xmlns='urn:xmpp:extdisco:2'/>")
    }

    // MARK: XEP-0300

    static let digest = "2XarmwTlNxDAMkvymloX3S5+VbylNrJt/l5QyPa+YoU="

    @Test func hashesAreReadAndWritten() throws {
        let payloads = try Message(try Fixture.stanza(7)).payloads
        let hash = try #require(Hash(payloads[0]))
        #expect(hash.algorithm == .sha256)
        #expect(hash.element == payloads[0])
        #expect(Hash.Algorithm(announcedBy: payloads[1]) == .sha256)
        #expect(Hash.Algorithm.sha256.announcement == payloads[1])
        // Libervia's form.
        let digits = hash.value.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        for text in [digits, digits.uppercased()] {
            let element = XMLElement(
                "hash", namespace: "urn:xmpp:hashes:2", attributes: ["algo": "sha-256"], text: base64(text))
            #expect(Hash(element) == hash)
        }
        #expect(hash.liberviaElement.text == base64(digits))
        #expect(Hash(hash.liberviaElement) == hash)
        let spaced = XMLElement(
            "hash", namespace: "urn:xmpp:hashes:2", attributes: ["algo": "sha-256"], text: "\n  \(Self.digest)\n")
        #expect(Hash(spaced) == hash)
    }

    @Test(arguments: [
        "<hash xmlns='urn:xmpp:hashes:1' algo='sha-256'>\(digest)</hash>",
        "<hash xmlns='urn:xmpp:hashes:2'>\(digest)</hash>",
        "<hash xmlns='urn:xmpp:hashes:2' algo='md5'>\(digest)</hash>",
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>\(digest)</hash>",
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'/>",
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>AAAA</hash>",
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>\(digest.dropLast())</hash>",
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>%%%%</hash>",
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>\(base64(String(repeating: "zz", count: 32)))</hash>",
        "<hash-used xmlns='urn:xmpp:hashes:2' algo='whirlpool'/>",
    ])
    func invalidHashesAreNone(_ text: String) throws {
        let element = try XMLElement(parsing: text)
        #expect(Hash(element) == nil)
        #expect(Hash.Algorithm(announcedBy: element) == nil)
    }

    // MARK: Base 64

    // RFC 4648 § 10
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func base64Vectors(_ text: String, _ encoded: String) {
        #expect(base64(text) == encoded)
        #expect(Base64.decode(encoded) == Array(text.utf8))
    }

    @Test(arguments: [
        "A", "AA", "AAA", "AA=A", "A===", "====", "=", "AA==AAAA", "AB==", "AAB=", "AA A", "AAA-", "AAA\u{E9}",
        "AAAA\n",
    ])
    func invalidBase64(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test func allBytesSurviveBase64() {
        let bytes = Array(0...255) as [UInt8]
        for count in 0...256 {
            #expect(Base64.decode(Base64.encode(Array(bytes.prefix(count)))) == Array(bytes.prefix(count)))
        }
    }
}
