import Jingle
import TestSupport
import Testing
import XML

/// Forwards as an application, and what is said on their streams: Wire/Forward.md.
@Suite struct ForwardTests {
    @Test func descriptionGoesOverTheWire() throws {
        let written = try ContentDescription.forward.element.overTheWire()
        #expect(written == XMLElement("description", namespace: "urn:sleigh:jingle:apps:forward:0"))
        #expect(try ContentDescription(written) == .forward)
    }

    /// A request, and its bytes.
    private static let requests: [(ForwardRequest, [UInt8])] = [
        (.connect(.tcp(host: "a.b", port: 80)), [0, 0, 0, 5, 0, 80] + Array("a.b".utf8)),
        (.connect(.tcp(host: "::1", port: 65535)), [0, 0, 0, 5, 255, 255] + Array("::1".utf8)),
        (.connect(.unix(path: "/s")), [0, 1, 0, 2] + Array("/s".utf8)),
        (.listen(.tcp(host: "*", port: 0), number: 258), [0, 2, 0, 5, 1, 2, 0, 0, 42]),
        (.listen(.unix(path: "/tmp/é"), number: 1), [0, 3, 0, 9, 0, 1] + Array("/tmp/é".utf8)),
        (.arrival(number: 7), [0, 4, 0, 2, 0, 7]),
    ]

    @Test(arguments: requests)
    func requestsGoOverTheWire(request: ForwardRequest, bytes: [UInt8]) {
        #expect(request.bytes == bytes)
        for count in bytes.indices { #expect(ForwardRequest.read(Array(bytes[..<count])) == .incomplete) }
        #expect(ForwardRequest.read(bytes) == .request(request))
        // Nothing may follow before the reply.
        #expect(ForwardRequest.read(bytes + [0]) == .malformed)
    }

    @Test func longestRequestFits() {
        let host = String(repeating: "h", count: ForwardAddress.hostByteCount)
        let request = ForwardRequest.listen(.tcp(host: host, port: 1), number: 1)
        #expect(request.bytes.count == ForwardRequest.byteCount)
        #expect(ForwardRequest.read(request.bytes) == .request(request))
    }

    /// What a peer might send instead.
    @Test(
        arguments: [
            // Another version, another kind, too long.
            [1], [1, 0, 0, 5, 0, 80, 97, 46, 98], [0, 5, 0, 0], [0, 255, 0, 2, 0, 1], [0, 0, 1, 4], [0, 0, 255, 255],
            // No port, no host, port 0.
            [0, 0, 0, 0], [0, 0, 0, 1, 80], [0, 0, 0, 2, 0, 80], [0, 0, 0, 3, 0, 0, 97],
            // A space, a line feed, an escape, something that is not ASCII or not UTF-8 in a host.
            [0, 0, 0, 5, 0, 80, 97, 32, 98], [0, 0, 0, 4, 0, 80, 97, 10], [0, 0, 0, 4, 0, 80, 27, 99],
            [0, 0, 0, 4, 0, 80, 0xC3, 0xA9], [0, 0, 0, 3, 0, 80, 0xFF], [0, 0, 0, 4, 0, 80, 97, 0],
            // No path, a relative one, one with a zero, the root.
            [0, 1, 0, 0], [0, 1, 0, 2, 97, 98], [0, 1, 0, 4, 47, 97, 0, 98], [0, 1, 0, 1, 47],
            // A listener without a number, or with half of one, or without a host.
            [0, 2, 0, 0], [0, 2, 0, 1, 0], [0, 2, 0, 4, 0, 1, 0, 80], [0, 3, 0, 1, 0], [0, 3, 0, 2, 0, 1],
            // An arrival with too little or too much.
            [0, 4, 0, 0], [0, 4, 0, 1, 0], [0, 4, 0, 3, 0, 1, 2],
        ] as [[UInt8]])
    func wrongRequestsAreMalformed(bytes: [UInt8]) {
        #expect(ForwardRequest.read(bytes) == .malformed)
    }

    @Test func longPathsAreMalformed() {
        let path = [47] + [UInt8](repeating: 97, count: ForwardAddress.pathByteCount)
        #expect(ForwardRequest.read([0, 1, 0, UInt8(path.count)] + path) == .malformed)
        #expect(ForwardRequest.read([0, 1, 0, UInt8(path.count - 1)] + path.dropLast()) != .malformed)
    }

    /// Whatever comes: nothing traps, and what is understood is written again as it was.
    @Test func fuzz() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<20_000 {
            var bytes = Self.requests.randomElement(using: &random)?.1 ?? []
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.append(.random(in: 0...255, using: &random))
                case 1: if !bytes.isEmpty { bytes.removeLast() }
                case 2: if !bytes.isEmpty { bytes.remove(at: .random(in: bytes.indices, using: &random)) }
                default:
                    if !bytes.isEmpty {
                        bytes[.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
                    }
                }
            }
            if case .request(let request) = ForwardRequest.read(bytes) { #expect(request.bytes == bytes) }
        }
    }

    @Test(
        arguments: [
            (ForwardReply.accepted(port: 0), [0, 0, 0]), (.accepted(port: 513), [0, 2, 1]),
            (.refused(.notAllowed), [1, 0, 0]), (.refused(.unknown), [255, 0, 0]),
        ] as [(ForwardReply, [UInt8])])
    func repliesGoOverTheWire(reply: ForwardReply, bytes: [UInt8]) {
        #expect(reply.bytes == bytes)
        #expect(ForwardReply((bytes[0], bytes[1], bytes[2])) == reply)
    }

    @Test func unknownRefusalIsARefusal() {
        #expect(ForwardReply((77, 1, 2)) == .refused(.unknown))
    }

    @Test(
        arguments: [
            ("a.example:80", .tcp(host: "a.example", port: 80)), ("[::1]:1", .tcp(host: "::1", port: 1)),
            ("/run/s", .unix(path: "/run/s")), ("::1:80", nil), ("a:", nil), ("a:65536", nil), (":80", nil),
            ("80", nil),
            ("", nil), ("/", nil), ("a b:1", nil), ("[::1:1", nil), ("a:-1", nil),
        ] as [(String, ForwardAddress?)])
    func addressesAreRead(text: String, address: ForwardAddress?) {
        #expect(ForwardAddress(text) == address)
    }
}
