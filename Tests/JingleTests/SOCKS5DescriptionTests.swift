import Jingle
import TestSupport
import Testing
import XML
import XMPP

/// XEP-0260 § 2.2: the transport element.
@Suite struct SOCKS5DescriptionTests {
    private func read(_ attributes: String, _ inside: String = "") throws -> SOCKS5TransportDescription {
        try SOCKS5TransportDescription(
            XMLElement(
                parsing: "<transport xmlns='urn:xmpp:jingle:transports:s5b:1' \(attributes)>\(inside)</transport>"))
    }

    private static let candidate = "cid='c' host='192.0.2.1' jid='a@b.example/c' port='1' priority='2'"

    @Test func offerIsRead() throws {
        let transport = try read(
            "sid='vj3hs98y' mode='tcp' dstaddr='972b7bf47291ca609517f67f86b5081086052dad'",
            """
            <candidate cid='hft54dqy' host='192.168.4.1' jid='romeo@montague.lit/orchard' port='5086'
                       priority='8257636' type='direct'/>
            <candidate cid='xmdh4b7i' host='streamer.shakespeare.lit' jid='streamer.shakespeare.lit' priority='7878787'
                       type='proxy'/>
            <candidate cid='x' host='2001:db8::7' jid='romeo@montague.lit/orchard' port='65535'
                       priority='4294967295'/>
            """)
        #expect(transport.sid == "vj3hs98y")
        #expect(transport.destinationAddress == "972b7bf47291ca609517f67f86b5081086052dad")
        #expect(transport.info == nil && transport.fingerprint == nil)
        #expect(transport.candidates.map(\.cid) == ["hft54dqy", "xmdh4b7i", "x"])
        #expect(transport.candidates.map(\.host) == ["192.168.4.1", "streamer.shakespeare.lit", "2001:db8::7"])
        // XEP-0065 § 4.2: without a port it is 1080.
        #expect(transport.candidates.map(\.port) == [5086, 1080, 65535])
        #expect(transport.candidates.map(\.priority) == [8_257_636, 7_878_787, .max])
        #expect(transport.candidates.map(\.kind) == [.direct, .proxy, .direct])
    }

    @Test(arguments: [
        ("<candidate-used cid='a'/>", SOCKS5TransportDescription.Info.candidateUsed(cid: "a")),
        ("<candidate-error/>", .candidateError), ("<activated cid='a'/>", .activated(cid: "a")),
        ("<proxy-error/>", .proxyError),
    ])
    func infoIsRead(inside: String, info: SOCKS5TransportDescription.Info) throws {
        let transport = try read("sid='s'", inside)
        #expect(transport.info == info)
        // § 2.3, examples: nothing else is in it.
        #expect(
            transport.element.serialized()
                == "<transport xmlns='urn:xmpp:jingle:transports:s5b:1' sid='s'>\(inside)</transport>")
    }

    @Test(
        arguments: [
            ("", "", .missing("sid")), ("sid=''", "", .invalid("sid")),
            ("sid='\(String(repeating: "s", count: 257))'", "", .tooLong("sid")),
            ("sid='s' mode='sctp'", "", .invalid("mode")), ("sid='s' mode=''", "", .invalid("mode")),
            ("sid='s' dstaddr=''", "", .invalid("dstaddr")),
            ("sid='s' dstaddr='\(String(repeating: "a", count: 39))'", "", .invalid("dstaddr")),
            ("sid='s' dstaddr='\(String(repeating: "g", count: 40))'", "", .invalid("dstaddr")),
            ("sid='s' dstaddr='\(String(repeating: "é", count: 20))'", "", .invalid("dstaddr")),
            ("sid='s' dstaddr='\(String(repeating: "a", count: 257))'", "", .tooLong("dstaddr")),
            ("sid='s'", String(repeating: "<candidate \(candidate)/>", count: 65), .tooMany("candidate")),
            ("sid='s'", "<candidate-used/>", .missing("cid")), ("sid='s'", "<candidate-used cid=''/>", .invalid("cid")),
            ("sid='s'", "<activated/>", .missing("cid")),
            ("sid='s'", "<candidate-used cid='a'/><candidate-error/>", .tooMany("transport")),
            ("sid='s'", "<candidate-used cid='a'/><candidate-used cid='b'/>", .tooMany("transport")),
        ] as [(String, String, JingleSyntaxError)])
    func badElementIsRefused(attributes: String, inside: String, error: JingleSyntaxError) {
        #expect(throws: error) { try read(attributes, inside) }
    }

    @Test(
        arguments: [
            ("cid='c'", "", .missing("cid")), ("cid='c'", "cid=''", .invalid("cid")),
            ("cid='c'", "cid='\(String(repeating: "c", count: 257))'", .tooLong("cid")),
            ("host='192.0.2.1'", "", .missing("host")), ("host='192.0.2.1'", "host=''", .invalid("host")),
            ("host='192.0.2.1'", "host='a b'", .invalid("host")),
            ("host='192.0.2.1'", "host='a&#10;'", .invalid("host")),
            ("host='192.0.2.1'", "host='&#xE9;.example'", .invalid("host")),
            ("host='192.0.2.1'", "host='\(String(repeating: "h", count: 257))'", .tooLong("host")),
            ("jid='a@b.example/c'", "", .missing("jid")), ("jid='a@b.example/c'", "jid='@'", .invalid("jid")),
            ("port='1'", "port='0'", .invalid("port")), ("port='1'", "port='65536'", .invalid("port")),
            ("port='1'", "port='-1'", .invalid("port")), ("port='1'", "port='+1'", .invalid("port")),
            ("port='1'", "port='http'", .invalid("port")), ("priority='2'", "", .missing("priority")),
            ("priority='2'", "priority='-2'", .invalid("priority")),
            ("priority='2'", "priority='4294967296'", .invalid("priority")),
            ("priority='2'", "priority='2.0'", .invalid("priority")),
            ("priority='2'", "priority='2' type=''", .invalid("type")),
            ("priority='2'", "priority='2' type='relay'", .invalid("type")),
        ] as [(String, String, JingleSyntaxError)])
    func badCandidateIsRefused(attribute: String, replacement: String, error: JingleSyntaxError) throws {
        let parts = Self.candidate.split(separator: attribute, omittingEmptySubsequences: false)
        try #require(parts.count == 2)
        #expect(throws: error) {
            try read("sid='s'", "<candidate \(parts.joined(separator: replacement))/>")
        }
    }

    @Test func foreignElementsAreLeftOut() throws {
        let transport = try read(
            "sid='s' x='y'", "<other/><candidate xmlns='urn:other'/><candidate-used xmlns='urn:other'/>text")
        #expect(transport == SOCKS5TransportDescription(sid: "s"))
    }

    @Test func everythingIsWrittenAsItIsRead() throws {
        var transport = SOCKS5TransportDescription(
            sid: "s", mode: .udp, destinationAddress: String(repeating: "aF09", count: 10),
            fingerprint: FingerprintDescription(bytes: (0..<32).map { UInt8($0) }, setup: .actpass))
        for (index, kind) in SOCKS5TransportDescription.Candidate.Kind.allCases.enumerated() {
            transport.candidates.append(
                .init(
                    cid: "c\(index)", host: "2001:db8::\(index)", port: UInt16(index + 1),
                    jid: try #require(Sample.alice), priority: UInt32(index) << 16, kind: kind))
        }
        #expect(try SOCKS5TransportDescription(transport.element.overTheWire()) == transport)
    }

    /// Every transport that Gajim, Dino and Libervia wrote: read, and written so that it reads the same.
    @Test func capturesKeepTheirMeaning() throws {
        var count = 0
        for name in Fixture.names {
            for element in try Fixture.payloads(name, namespace: Jingle.namespace) {
                // With a transport-reject there is nothing in it.
                for content in element.all("content") where element["action"] != "transport-reject" {
                    for transport in content.elements where transport.namespace == SOCKS5TransportDescription.namespace
                    {
                        let read = try SOCKS5TransportDescription(transport)
                        #expect(try SOCKS5TransportDescription(read.element.overTheWire()) == read)
                        #expect(read.candidates.count == transport.all("candidate").count)
                        let told = ["candidate-used", "candidate-error", "activated", "proxy-error"]
                        #expect((read.info != nil) == transport.elements.contains { told.contains($0.name) })
                        count += 1
                    }
                }
            }
        }
        #expect(count > 20)
    }

    @Test(arguments: [40, 41, 42] as [UInt64])
    func mutatedTransportsAreReadOrRefused(seed: UInt64) throws {
        var mutator = FuzzTests.Mutator(random: SeededRandom(seed: seed))
        let corpus = try Fixture.names.flatMap { try Fixture.payloads($0, namespace: Jingle.namespace) }
            .flatMap { $0.all("content") }.flatMap(\.elements)
            .filter { $0.namespace == SOCKS5TransportDescription.namespace }
        let pool = corpus + corpus.flatMap(\.elements)
        var readCount = 0
        for round in 0..<3000 {
            var element = corpus[round % corpus.count]
            for _ in 0...(round % 3) { element = mutator.mutate(element, pool: pool) }
            guard let transport = try? SOCKS5TransportDescription(element) else { continue }
            readCount += 1
            #expect(try SOCKS5TransportDescription(transport.element) == transport)
            var nomination = SOCKS5Nomination(role: .initiator, own: transport.candidates)
            nomination.add(transport.candidates)
            _ = nomination.begin()
            if let info = transport.info { _ = try? nomination.receive(info) }
        }
        #expect(readCount > 300)
    }
}
