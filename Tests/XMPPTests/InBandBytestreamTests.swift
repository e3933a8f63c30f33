import TestSupport
import Testing
import XML

@testable import XMPP

struct InBandBytestreamTests {
    // MARK: XEP-0047 § 2

    static let requests: [(String, InBandBytestream)] = [
        (
            "<open xmlns='http://jabber.org/protocol/ibb' block-size='4096' sid='i781hf64' stanza='iq'/>",
            .open(sid: "i781hf64", blockSize: 4096)
        ),
        (
            "<data xmlns='http://jabber.org/protocol/ibb' seq='0' sid='i781hf64'>aGVsbG8=</data>",
            .data(sid: "i781hf64", sequence: 0, bytes: Array("hello".utf8))
        ),
        (
            "<data xmlns='http://jabber.org/protocol/ibb' seq='65535' sid='a'/>",
            .data(sid: "a", sequence: 65535, bytes: [])
        ),
        ("<close xmlns='http://jabber.org/protocol/ibb' sid='i781hf64'/>", .close(sid: "i781hf64")),
        (
            "<open xmlns='http://jabber.org/protocol/ibb' block-size='65535' sid='x y' stanza='message'/>",
            .open(sid: "x y", blockSize: 65535, stanza: .message)
        ),
    ]

    @Test(arguments: requests)
    func requestsAreReadAndWritten(text: String, request: InBandBytestream) throws {
        let element = try XMLElement(parsing: text)
        #expect(try InBandBytestream(element) == request)
        #expect(request.element == element)
    }

    @Test func iqIsTheDefault() throws {
        let element = try XMLElement(
            parsing: "<open xmlns='http://jabber.org/protocol/ibb' block-size='1' sid='a'/>")
        #expect(try InBandBytestream(element) == .open(sid: "a", blockSize: 1, stanza: .iq))
    }

    @Test func theLargestBlockIsRead() throws {
        let request = InBandBytestream.data(sid: "a", sequence: 7, bytes: [UInt8](repeating: 9, count: 65535))
        #expect(try InBandBytestream(request.element) == request)
        let tooLong = InBandBytestream.data(sid: "a", sequence: 7, bytes: [UInt8](repeating: 9, count: 65536))
        #expect(throws: StanzaParseError.invalid("data")) { try InBandBytestream(tooLong.element) }
    }

    static let invalid: [(String, StanzaParseError)] = [
        ("<open block-size='4096'/>", .missing("sid")), ("<open block-size='4096' sid=''/>", .invalid("sid")),
        ("<open block-size='4096' sid='\(String(repeating: "a", count: 257))'/>", .invalid("sid")),
        ("<open sid='a'/>", .missing("block-size")), ("<open sid='a' block-size='0'/>", .invalid("block-size")),
        ("<open sid='a' block-size='65536'/>", .invalid("block-size")),
        ("<open sid='a' block-size='-1'/>", .invalid("block-size")),
        ("<open sid='a' block-size='+1'/>", .invalid("block-size")),
        ("<open sid='a' block-size='4k'/>", .invalid("block-size")),
        ("<open sid='a' block-size='1' stanza='presence'/>", .invalid("stanza")),
        ("<data sid='a'>aGVsbG8=</data>", .missing("seq")), ("<data seq='0'>aGVsbG8=</data>", .missing("sid")),
        ("<data sid='a' seq=''>aGVsbG8=</data>", .invalid("seq")),
        ("<data sid='a' seq='65536'>aGVsbG8=</data>", .invalid("seq")),
        ("<data sid='a' seq='0'>aGVsbG8</data>", .invalid("data")),
        ("<data sid='a' seq='0'>aGVs bG8=</data>", .invalid("data")),
        ("<data sid='a' seq='0'>\naGVsbG8=\n</data>", .invalid("data")),
        ("<data sid='a' seq='0'>aGVs*G8=</data>", .invalid("data")),
        ("<data sid='a' seq='0'>=AAA</data>", .invalid("data")),
        ("<data sid='a' seq='0'>BBBB=CCC</data>", .invalid("data")),
        ("<data sid='a' seq='0'>aGVsbG9=</data>", .invalid("data")),
        ("<data sid='a' seq='0'>aGVs<x/>bG8=</data>", .invalid("data")), ("<close/>", .missing("sid")),
        ("<abort sid='a'/>", .wrongElement), ("<open xmlns='urn:x' sid='a' block-size='1'/>", .wrongElement),
    ]

    @Test(arguments: invalid)
    func invalidRequests(text: String, error: StanzaParseError) throws {
        let wrapped = try XMLElement(parsing: "<x xmlns='http://jabber.org/protocol/ibb'>\(text)</x>")
        let element = try #require(wrapped.elements.first)
        #expect(throws: error) { try InBandBytestream(element) }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func mutatedRequestsAreReadOrRefused(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let corpus = try Self.requests.map { try XMLElement(parsing: $0.0) }
        let words = [
            "", "0", "65535", "65536", "-1", "iq", "message", "open", "data", "QUJD", "QUJ", "=", "\u{0}", "é",
        ]
        var readCount = 0
        for round in 0..<3000 {
            var element = corpus[round % corpus.count]
            let word = words.randomElement(using: &random) ?? ""
            let attribute = element.attributes.keys.sorted().randomElement(using: &random) ?? ""
            switch Int.random(in: 0..<6, using: &random) {
            case 0: element[attribute] = nil
            case 1, 2: element[attribute] = word
            case 3: element.name = word
            case 4: element.children.append(.text(word))
            default: element.children = [.text(String(word.unicodeScalars.map { _ in "A" }))]
            }
            guard let request = try? InBandBytestream(element) else { continue }
            readCount += 1
            #expect(try InBandBytestream(request.element) == request)
        }
        #expect(readCount > 500)
    }

    @Test func stanzasKeepToTheLimit() throws {
        let sid = String(repeating: "s", count: 32)
        for limit in [10_000, 65_536] {
            let blockSize = InBandBytestream.blockSize(forStanzaByteCount: limit)
            let block = InBandBytestream.data(
                sid: sid, sequence: 65535, bytes: [UInt8](repeating: 0xFF, count: blockSize))
            let address = "someone.with.a.rather.long.name@conference.example.org/\(String(repeating: "r", count: 80))"
            let iq = IQ(from: JID(address), to: JID(address), id: "0123456789ab-123456", content: .set(block.element))
            let byteCount = iq.element.serialized(defaultNamespace: Namespace.client).utf8.count
            #expect(byteCount <= limit && byteCount > limit * 9 / 10)
        }
        #expect(InBandBytestream.blockSize(forStanzaByteCount: 0) == 0)
    }

    // MARK: § 2.2: the sequence

    @Test func theSequenceLoopsAtItsMaximum() throws {
        var receiver = InBandReceiver(blockSize: 10)
        for number in 0...65535 { try receiver.receive(sequence: UInt16(number), byteCount: 10) }
        try receiver.receive(sequence: 0, byteCount: 0)
        try receiver.receive(sequence: 1, byteCount: 1)
    }

    static let broken: [([UInt16], Int, StanzaError)] = [
        ([1], 1, InBandBytestream.outOfSequence), ([65535], 1, InBandBytestream.outOfSequence),
        ([0, 0], 1, InBandBytestream.outOfSequence), ([0, 1, 3], 1, InBandBytestream.outOfSequence),
        ([0, 1, 0], 1, InBandBytestream.outOfSequence), ([0], 11, InBandBytestream.malformed),
    ]

    @Test(arguments: broken)
    func nothingFollowsABlockThatIsRefused(sequence: [UInt16], byteCount: Int, error: StanzaError) throws {
        var receiver = InBandReceiver(blockSize: 10)
        for number in sequence.dropLast() { try receiver.receive(sequence: number, byteCount: 1) }
        let last = try #require(sequence.last)
        #expect(throws: error) { try receiver.receive(sequence: last, byteCount: byteCount) }
        for number in UInt16(0)..<5 {
            #expect(throws: InBandBytestream.unknown) { try receiver.receive(sequence: number, byteCount: 1) }
        }
    }

    // MARK: XEP-0478

    @Test(arguments: [
        ("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes></limits>", 262_144),
        ("<limits xmlns='urn:xmpp:stream-limits:0'><idle-seconds>600</idle-seconds></limits>", nil),
        ("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>9999</max-bytes></limits>", nil),
        ("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>99999999999999999999</max-bytes></limits>", nil),
        ("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>many</max-bytes></limits>", nil), ("", nil),
    ])
    func theLimitOfAStanza(text: String, expected: Int?) throws {
        let features = try XMLElement(
            parsing: "<features xmlns='http://etherx.jabber.org/streams'>\(text)</features>")
        #expect(StreamLimits(features: features).maximumStanzaByteCount == expected)
    }
}
