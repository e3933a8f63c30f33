import Jingle
import Testing
import XML
import XMPP

@Suite struct TransportTests {
    static let hex = (0..<32).map { _ in "0A" }.joined(separator: ":")
    static let credentials = "ufrag='8hhy' pwd='asd88fgpdd777uzjYhagZg'"

    /// Stands for an attribute that is not there.
    static let absent = "absent"

    static func iceUDP(_ inside: String, _ attributes: String = credentials) throws -> XMLElement {
        try XMLElement(
            parsing: "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' \(attributes)>\(inside)</transport>")
    }

    static func candidate(_ change: [String: String] = [:]) throws -> XMLElement {
        var element = XMLElement(
            "candidate", namespace: ICEUDPTransportDescription.namespace,
            attributes: [
                "component": "1", "foundation": "2", "generation": "0", "id": "y3s2b30v3r", "ip": "192.0.2.3",
                "network": "1", "port": "45664", "priority": "1694498815", "protocol": "udp",
                "rel-addr": "10.0.1.1", "rel-port": "8998", "type": "srflx",
            ])
        for (name, value) in change { element[name] = value == absent ? nil : value }
        return element
    }

    @Test func theWireFormat() throws {
        let element = try XMLElement(
            parsing: """
                <transport xmlns='urn:sleigh:jingle:transports:ice-quic:0'><transport \
                xmlns='urn:xmpp:jingle:transports:ice-udp:1' \(Self.credentials)><fingerprint \
                xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>\(Self.hex)</fingerprint>\
                <candidate component='1' foundation='1' generation='0' id='el0747fg11' ip='10.0.1.1' network='1' \
                port='8998' priority='2130706431' protocol='udp' type='host'/></transport>\
                <direct port='40112'><address>192.168.1.20</address><address>2001:db8::7</address></direct>\
                <gathering-complete/></transport>
                """)
        let transport = try ICEQUICTransportDescription(element)
        #expect(transport.ice.credentials?.ufrag == "8hhy")
        #expect(transport.ice.fingerprint?.bytes == [UInt8](repeating: 10, count: 32))
        #expect(transport.ice.fingerprint?.setup == .actpass)
        #expect(transport.ice.candidates.map(\.ip) == ["10.0.1.1"])
        #expect(transport.direct == .init(port: 40112, addresses: ["192.168.1.20", "2001:db8::7"]))
        #expect(transport.isGatheringComplete)
        #expect(transport.element.canonical == element.canonical)
    }

    @Test func theEndOfCandidatesAlone() throws {
        let end = ICEQUICTransportDescription(
            ice: ICEUDPTransportDescription(credentials: nil), isGatheringComplete: true)
        #expect(end.element.elements.map(\.name) == ["gathering-complete"])
        #expect(try ICEQUICTransportDescription(end.element.overTheWire()) == end)
    }

    @Test func everyAttributeOfACandidate() throws {
        let candidate = try #require(try ICECandidateDescription(Self.candidate()))
        #expect(
            candidate
                == ICECandidateDescription(
                    foundation: "2", id: "y3s2b30v3r", ip: "192.0.2.3", network: 1, port: 45664,
                    priority: 1_694_498_815, relAddr: "10.0.1.1", relPort: 8998, kind: .srflx))
        #expect(candidate.element == (try Self.candidate()))
    }

    @Test func theAddressInUse() throws {
        let element = try Self.iceUDP("<remote-candidate component='1' ip='10.0.1.2' port='9001'/>")
        let transport = try ICEUDPTransportDescription(element)
        #expect(transport.remoteCandidate == .init(ip: "10.0.1.2", port: 9001))
        #expect(transport.element.canonical == element.canonical)
    }

    @Test(arguments: [
        ["protocol": "tcp"], ["type": "alien"], ["ip": "0.0.0.0"], ["ip": "224.0.0.1"], ["ip": "255.255.255.255"],
        ["ip": "ff02::1"], ["ip": "::"], ["ip": "4d5c2a7e.local"], ["protocol": "ssltcp", "port": "0"],
    ])
    func candidatesOfNoUseAreLeftOut(change: [String: String]) throws {
        #expect(try ICECandidateDescription(Self.candidate(change)) == nil)
        let transport = try Self.iceUDP(Self.candidate(change).serialized() + Self.candidate().serialized())
        #expect(try ICEUDPTransportDescription(transport).candidates.count == 1)
    }

    @Test(arguments: [["ip": "::1"], ["ip": "fe80::1"], ["ip": "2001:db8::7"], ["protocol": "UDP"]])
    func candidatesOfUse(change: [String: String]) throws {
        #expect(try ICECandidateDescription(Self.candidate(change)) != nil)
    }

    static let invalidCandidates: [([String: String], JingleSyntaxError)] = [
        (["ip": absent], .missing("ip")), (["port": absent], .missing("port")),
        (["priority": absent], .missing("priority")), (["protocol": absent], .missing("protocol")),
        (["type": absent], .missing("type")), (["foundation": absent], .missing("foundation")),
        (["component": absent], .missing("component")), (["component": "0"], .invalid("component")),
        (["component": "256"], .invalid("component")), (["foundation": ""], .invalid("foundation")),
        (["foundation": "a b"], .invalid("foundation")),
        (["foundation": String(repeating: "a", count: 33)], .tooLong("foundation")),
        (["port": "0"], .invalid("port")), (["port": "65536"], .invalid("port")), (["port": "-1"], .invalid("port")),
        (["priority": "0"], .invalid("priority")), (["priority": "2147483648"], .invalid("priority")),
        (["priority": "21149780477"], .invalid("priority")), (["generation": "256"], .invalid("generation")),
        (["network": "x"], .invalid("network")), (["rel-addr": "::g"], .invalid("rel-addr")),
        (["rel-port": "65536"], .invalid("rel-port")), (["ip": "1.2.3"], .invalid("ip")),
        (["ip": "fe80::1%eth0"], .invalid("ip")), (["ip": "1.2.3.4\u{0}"], .invalid("ip")),
        (["ip": "a b"], .invalid("ip")), (["id": String(repeating: "x", count: 257)], .tooLong("id")),
    ]

    @Test(arguments: invalidCandidates)
    func invalidCandidate(change: [String: String], error: JingleSyntaxError) throws {
        let element = try Self.candidate(change)
        #expect(throws: error) { try ICECandidateDescription(element) }
    }

    static let invalidTransports: [(String, String, JingleSyntaxError)] = [
        ("", "ufrag='8hhy'", .missing("pwd")), ("", "pwd='asd88fgpdd777uzjYhagZg'", .missing("ufrag")),
        ("", "ufrag='8hh' pwd='asd88fgpdd777uzjYhagZg'", .invalid("ufrag or pwd")),
        ("", "ufrag='8hhy' pwd='asd88fgpdd777uzjYhagZ'", .invalid("ufrag or pwd")),
        ("", "ufrag='8h y' pwd='asd88fgpdd777uzjYhagZg'", .invalid("ufrag or pwd")),
        ("", "ufrag='\(String(repeating: "a", count: 257))' pwd='asd88fgpdd777uzjYhagZg'", .invalid("ufrag or pwd")),
        ("<candidate/>", "", .missing("ufrag")),
        (String(repeating: "<candidate/>", count: 65), credentials, .tooMany("candidate")),
        ("<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0'/>", credentials, .missing("hash")),
        (
            String(repeating: "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0'/>", count: 2), credentials,
            .tooMany("fingerprint")
        ),
        ("<remote-candidate component='1' ip='x' port='1'/>", credentials, .invalid("ip")),
    ]

    @Test(arguments: invalidTransports)
    func invalidTransport(inside: String, attributes: String, error: JingleSyntaxError) throws {
        let element = try Self.iceUDP(inside, attributes)
        #expect(throws: error) { try ICEUDPTransportDescription(element) }
    }

    static let invalidFingerprints: [(String, String, JingleSyntaxError)] = [
        ("setup='active'", hex, .missing("hash")), ("hash='sha-256'", hex, .missing("setup")),
        ("hash='sha-1' setup='active'", hex, .invalid("hash")), ("hash='md5' setup='active'", hex, .invalid("hash")),
        ("hash='sha-256' setup='both'", hex, .invalid("setup")),
        ("hash='sha-512' setup='active'", hex, .invalid("fingerprint")),
        ("hash='sha-256' setup='active'", "", .invalid("fingerprint")),
        ("hash='sha-256' setup='active'", hex + ":0A", .invalid("fingerprint")),
        ("hash='sha-256' setup='active'", String(hex.dropLast(3)), .invalid("fingerprint")),
        ("hash='sha-256' setup='active'", "0G" + hex.dropFirst(2), .invalid("fingerprint")),
        ("hash='sha-256' setup='active'", hex.replacing(":", with: "-"), .invalid("fingerprint")),
        ("hash='sha-256' setup='active'", hex.replacing("A", with: "Ａ"), .invalid("fingerprint")),
        ("hash='sha-256' setup='active'", String(repeating: " ", count: 2000), .tooLong("fingerprint")),
    ]

    private static func fingerprint(_ attributes: String, _ text: String) throws -> XMLElement {
        try XMLElement(parsing: "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' \(attributes)>\(text)</fingerprint>")
    }

    @Test(arguments: invalidFingerprints)
    func invalidFingerprint(attributes: String, text: String, error: JingleSyntaxError) throws {
        let element = try Self.fingerprint(attributes, text)
        #expect(throws: error) { try FingerprintDescription(element) }
    }

    @Test func fingerprintsInLowerCaseAndWithSpace() throws {
        let element = try Self.fingerprint("hash='SHA-256' setup='passive'", "\n  " + Self.hex.lowercased() + "\n")
        let fingerprint = try FingerprintDescription(element)
        #expect(fingerprint.text == Self.hex)
        #expect(fingerprint.setup == .passive)
    }

    @Test func rolesOfOfferAndAnswer() {
        typealias Setup = FingerprintDescription.Setup
        let expected: [Setup: [Setup: FingerprintDescription.HandshakeRole]] = [
            .actpass: [.active: .server, .passive: .client], .active: [.passive: .client], .passive: [.active: .server],
        ]
        for offer in Setup.allCases {
            for answer in Setup.allCases {
                #expect(offer.offererRole(answer: answer) == expected[offer]?[answer], "\(offer) \(answer)")
            }
            for preferred in [FingerprintDescription.HandshakeRole.client, .server] {
                let answer = offer.answer(preferring: preferred)
                #expect((answer == nil) == (offer == .holdconn))
                if let answer { #expect(offer.offererRole(answer: answer) != nil) }
            }
        }
        #expect(Setup.actpass.answer() == .active)
        #expect(Setup.actpass.answer(preferring: .server) == .passive)
    }

    static let invalidDirect: [(String, JingleSyntaxError)] = [
        ("<direct/>", .missing("port")), ("<direct port='0'/>", .invalid("port")),
        ("<direct port='65536'/>", .invalid("port")), ("<direct port='1'/><direct port='1'/>", .invalid("direct")),
        ("<direct port='1'><address>example.org</address></direct>", .invalid("address")),
        ("<direct port='1'><address/></direct>", .invalid("address")),
        (
            "<direct port='1'>\(String(repeating: "<address>1.2.3.4</address>", count: 33))</direct>",
            .tooMany("address")
        ),
        (
            String(repeating: "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/>", count: 2),
            .invalid("transport")
        ),
    ]

    @Test(arguments: invalidDirect)
    func invalidOuterTransport(inside: String, error: JingleSyntaxError) throws {
        let element = try XMLElement(
            parsing: "<transport xmlns='urn:sleigh:jingle:transports:ice-quic:0'>\(inside)</transport>")
        #expect(throws: error) { try ICEQUICTransportDescription(element) }
    }

    @Test func directAddressesOfNoUseAreLeftOut() throws {
        let inside = ["0.0.0.0", "239.1.1.1", "192.0.2.1", "192.0.2.1", "::"].map { "<address>\($0)</address>" }
            .joined()
        let element = try XMLElement(
            parsing:
                "<transport xmlns='urn:sleigh:jingle:transports:ice-quic:0'><direct port='7'>\(inside)</direct></transport>"
        )
        #expect(try ICEQUICTransportDescription(element).direct?.addresses == ["192.0.2.1"])
    }
}
