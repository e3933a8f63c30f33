import Jingle
import TestSupport
import Testing
import XML
import XMPP

@Suite struct InBandTransportTests {
    static let fingerprint =
        "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>\(TransportTests.hex)"
        + "</fingerprint>"

    private static func transport(_ attributes: String, _ inside: String = "") throws -> XMLElement {
        try XMLElement(
            parsing: "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' \(attributes)>\(inside)</transport>")
    }

    static let valid: [(String, String, InBandTransportDescription)] = [
        ("block-size='4096' sid='ch3d9s71'", "", .init(sid: "ch3d9s71", blockSize: 4096)),
        ("block-size='1' sid='a' stanza='iq'", "", .init(sid: "a", blockSize: 1)),
        ("block-size='65535' sid='a b' stanza='message'", "", .init(sid: "a b", blockSize: 65535, stanza: .message)),
        ("block-size='8' sid='a' x='y'", "<z xmlns='urn:z'/>text", .init(sid: "a", blockSize: 8)),
        (
            "block-size='8192' sid='a'", fingerprint,
            .init(
                sid: "a", blockSize: 8192,
                fingerprint: FingerprintDescription(bytes: [UInt8](repeating: 10, count: 32), setup: .actpass))
        ),
    ]

    @Test(arguments: valid)
    func descriptionsAreReadAndWritten(
        attributes: String, inside: String, description: InBandTransportDescription
    ) throws {
        #expect(try InBandTransportDescription(try Self.transport(attributes, inside)) == description)
        #expect(try InBandTransportDescription(description.element.overTheWire()) == description)
        #expect(try ContentTransport(description.element) == .inBand(description))
    }

    static let invalid: [(String, String, JingleSyntaxError)] = [
        ("block-size='4096'", "", .missing("sid")), ("block-size='4096' sid=''", "", .invalid("sid")),
        ("block-size='4096' sid='\(String(repeating: "a", count: 257))'", "", .tooLong("sid")),
        ("sid='a'", "", .missing("block-size")), ("sid='a' block-size=''", "", .invalid("block-size")),
        ("sid='a' block-size='0'", "", .invalid("block-size")),
        ("sid='a' block-size='65536'", "", .invalid("block-size")),
        ("sid='a' block-size='-4096'", "", .invalid("block-size")),
        ("sid='a' block-size='+4096'", "", .invalid("block-size")),
        ("sid='a' block-size='4096.0'", "", .invalid("block-size")),
        ("sid='a' block-size='٤٠٩٦'", "", .invalid("block-size")),
        ("sid='a' block-size='1' stanza=''", "", .invalid("stanza")),
        ("sid='a' block-size='1' stanza='IQ'", "", .invalid("stanza")),
        (
            "sid='a' block-size='1'", "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' setup='active'/>",
            .missing("hash")
        ),
        ("sid='a' block-size='1'", fingerprint + fingerprint, .tooMany("fingerprint")),
    ]

    @Test(arguments: invalid)
    func invalidDescription(attributes: String, inside: String, error: JingleSyntaxError) throws {
        let element = try Self.transport(attributes, inside)
        #expect(throws: error) { try InBandTransportDescription(element) }
        #expect(throws: error) { try ContentTransport(element) }
    }

    /// What a bytestream may be called here it may be called there.
    @Test func theLongestNameIsUsable() throws {
        let sid = String(repeating: "a", count: InBandBytestream.maximumSIDByteCount)
        #expect(try InBandTransportDescription(try Self.transport("sid='\(sid)' block-size='1'")).sid == sid)
        #expect(try InBandBytestream(InBandBytestream.close(sid: sid).element).sid == sid)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func mutatedDescriptionsAreReadOrRefused(seed: UInt64) throws {
        var mutator = FuzzTests.Mutator(random: SeededRandom(seed: seed))
        let corpus = try Self.valid.map { try Self.transport($0.0, $0.1) }
        var readCount = 0
        for round in 0..<2000 {
            let element = mutator.mutate(corpus[round % corpus.count], pool: corpus)
            guard let description = try? InBandTransportDescription(element) else { continue }
            readCount += 1
            #expect(description.blockSize > 0 && !description.sid.isEmpty)
            #expect(try InBandTransportDescription(description.element) == description)
        }
        #expect(readCount > 300)
    }

    // MARK: Real clients

    /// The transports of real clients, in the order in which they were signalled.
    static let captured: [(String, [InBandTransportDescription])] = [
        (
            "libervia-to-libervia-ibb.xml",
            [InBandTransportDescription](
                repeating: .init(sid: "24579a0a-0eaf-40fa-ad37-9e056cb84354", blockSize: 4096), count: 2)
        ),
        (
            "gajim-to-dino-ibb.xml",
            [
                .init(sid: "None", blockSize: 4096), .init(sid: "None", blockSize: 4096),
                .init(sid: "e9c25603-573a-4ae7-a71d-a1f3a4dd3710", blockSize: 4096),
                .init(sid: "e9c25603-573a-4ae7-a71d-a1f3a4dd3710", blockSize: 4096),
            ]
        ),
    ]

    @Test(arguments: captured)
    func transportsOfRealClients(name: String, expected: [InBandTransportDescription]) throws {
        let elements = try Fixture.payloads(name, namespace: Jingle.namespace).flatMap { jingle in
            jingle.all("content").flatMap {
                $0.all("transport", namespace: InBandTransportDescription.namespace)
            }
        }
        let transports = try elements.map { try InBandTransportDescription($0) }
        #expect(transports == expected)
    }

    /// The bytestream of the same session: opened with what was agreed on, by the session's initiator, from whom the
    /// file comes.
    @Test func liberviasBytestream() throws {
        let stanzas = try Fixture.stanzas("libervia-to-libervia-ibb.xml")
        let requests = try stanzas.flatMap { stanza in
            try stanza.all("open", namespace: InBandBytestream.namespace).map {
                (stanza["from"], try InBandBytestream($0))
            }
                + stanza.all("close", namespace: InBandBytestream.namespace).map {
                    (stanza["from"], try InBandBytestream($0))
                }
        }
        let sid = "24579a0a-0eaf-40fa-ad37-9e056cb84354"
        #expect(requests.map(\.1) == [.open(sid: sid, blockSize: 4096), .close(sid: sid)])
        #expect(requests.allSatisfy { $0.0?.hasPrefix("carol@lab.test/") == true })
        // The blocks are cut short in the capture, but their numbers are there.
        let blocks = stanzas.flatMap { $0.all("data", namespace: InBandBytestream.namespace) }
        #expect(blocks.map { $0["seq"] } == ["0", "1", "2"])
    }
}
