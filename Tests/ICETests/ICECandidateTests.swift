import Foundation
import TestSupport
import Testing

@testable import ICE

struct ICECandidateTests {
    @Test func fixturesAreGood() throws {
        let candidates = try CandidateText.fixtures().map { try CandidateText.parse($0) }
        #expect(candidates.count == 6)
        #expect(candidates[0].kind == .host)
        #expect(candidates[1].address.family == .ipv6)
        #expect(candidates[1].address.description == "[2001:db8::7]:41003")
        #expect(candidates[2].kind == .serverReflexive)
        #expect(candidates[2].relatedAddress == ICEAddress(ip: "192.168.1.20", port: 41002))
        #expect(candidates[4].kind == .relayed)
    }

    @Test(arguments: [
        ("1 2 5 udp host 192.0.2.1 5000", ICECandidateError.component),
        ("1 0 5 udp host 192.0.2.1 5000", .component),
        ("1 1 0 udp host 192.0.2.1 5000", .priority),
        ("1 1 -5 udp host 192.0.2.1 5000", .priority),
        ("1 1 2147483648 udp host 192.0.2.1 5000", .priority),
        ("1 1 9223372036854775807 udp host 192.0.2.1 5000", .priority),
        ("1 1 5 tcp host 192.0.2.1 5000", .transportProtocol),
        ("1 1 5 ssltcp host 192.0.2.1 5000", .transportProtocol),
        ("1 1 5 udp local 192.0.2.1 5000", .kind),
        ("1 1 5 udp HOST 192.0.2.1 5000", .kind),
        ("1 1 5 udp host 192.0.2.1 0", .port),
        ("1 1 5 udp host 192.0.2.1 65536", .port),
        ("1 1 5 udp host 192.0.2.1 -1", .port),
        ("1 1 5 udp host 2f6d1cdb-29d3-4ef0-b9a5-4b3a9e1e6f60.local 5000", .multicastDNSName),
        ("1 1 5 udp host HOST.LOCAL 5000", .multicastDNSName),
        ("1 1 5 udp host example.org 5000", .notAnAddress),
        ("1 1 5 udp host localhost 5000", .notAnAddress),
        ("1 1 5 udp host 192.0.2 5000", .notAnAddress),
        ("1 1 5 udp host 192.0.2.256 5000", .notAnAddress),
        ("1 1 5 udp host 0x7f000001 5000", .notAnAddress),
        ("1 1 5 udp host 3221225985 5000", .notAnAddress),
        ("1 1 5 udp host [2001:db8::1] 5000", .notAnAddress),
        ("1 1 5 udp host fe80::1%eth0 5000", .notAnAddress),
        ("1 1 5 udp host 192.0.2.1\u{0}.5 5000", .notAnAddress),
        ("1 1 5 udp host fe80::1 5000", .unusableAddress),
        ("1 1 5 udp host 0.0.0.0 5000", .unusableAddress),
        ("1 1 5 udp host :: 5000", .unusableAddress),
        ("1 1 5 udp host 224.0.0.251 5000", .unusableAddress),
        ("1 1 5 udp host 255.255.255.255 5000", .unusableAddress),
        ("1 1 5 udp host ::ffff:224.0.0.1 5000", .unusableAddress),
        ("1 1 5 udp host ff02::fb 5000", .unusableAddress),
        ("123456789012345678901234567890123 1 5 udp host 192.0.2.1 5000", .foundation),
        ("a-b 1 5 udp host 192.0.2.1 5000", .foundation),
        ("é 1 5 udp host 192.0.2.1 5000", .foundation),
    ])
    func badCandidatesAreRefused(_ text: String, _ reason: ICECandidateError) throws {
        #expect(throws: reason) { try CandidateText.parse(text) }
    }

    @Test func emptyFoundationIsRefused() {
        #expect(throws: ICECandidateError.foundation) {
            try ICECandidate(foundation: "", component: 1, priority: 1, kind: "host", ip: "192.0.2.1", port: 1)
        }
    }

    @Test func badRelatedAddressIsDropped() throws {
        let candidate = try CandidateText.parse("1 1 5 udp srflx 192.0.2.1 5000 nonsense.local 99999")
        #expect(candidate.relatedAddress == nil)
    }

    @Test func mappedAddressIsIPv4() throws {
        let candidate = try CandidateText.parse("1 1 5 udp host ::ffff:192.0.2.1 5000")
        #expect(candidate.address == ICEAddress(ip: "192.0.2.1", port: 5000))
        #expect(candidate.address.family == .ipv4)
    }

    @Test(arguments: ["192.0.2.1", "2001:db8::1", "::1", "127.0.0.1"])
    func socketAddressRoundTrip(_ ip: String) throws {
        let address = try #require(ICEAddress(ip: ip, port: 4711))
        #expect(ICEAddress(address.socketAddress) == address)
        #expect(address.withNiceAddress { ICEAddress($0.pointee) } == address)
    }

    @Test(arguments: [
        ("10.1.2.3", true), ("172.16.0.1", true), ("172.32.0.1", false), ("192.168.0.1", true), ("100.64.0.1", true),
        ("100.128.0.1", false), ("203.0.113.1", false), ("fd00::1", true), ("2001:db8::1", false),
    ])
    func privateAddresses(_ ip: String, _ isPrivate: Bool) throws {
        #expect(try #require(ICEAddress(ip: ip, port: 1)).isPrivate == isPrivate)
    }

    @Test(arguments: [
        ("abcd", "1234567890123456789012", true),
        ("abc", "1234567890123456789012", false),
        ("abcd", "123456789012345678901", false),
        ("ab:d", "1234567890123456789012", false),
        ("abcd", "123456789012345678901\u{0}", false),
        (String(repeating: "a", count: 256), String(repeating: "b", count: 256), true),
        (String(repeating: "a", count: 257), String(repeating: "b", count: 256), false),
        (String(repeating: "a", count: 256), String(repeating: "b", count: 257), false),
    ])
    func credentials(_ fragment: String, _ password: String, _ isGood: Bool) {
        #expect((ICECredentials(usernameFragment: fragment, password: password) != nil) == isGood)
    }

    @Test func descriptionsHideSecrets() throws {
        let password = "aVerySecretPasswordIndeed"
        let credentials = try #require(ICECredentials(usernameFragment: "abcd", password: password))
        let server = TURNServer(host: "turn.example", transport: .udp, username: "someone", password: password)
        var configuration = ICEConfiguration()
        configuration.turnServers = [server]
        for text in ["\(credentials)", String(reflecting: credentials), "\(server)", "\(configuration)"] {
            #expect(!text.contains(password))
            #expect(!text.contains("someone"))
        }
    }

    @Test func fuzz() throws {
        var random = SeededRandom(seed: 0x1CE)
        let fixtures = try CandidateText.fixtures()
        var good = 0
        for _ in 0..<20_000 {
            guard let fixture = fixtures.randomElement(using: &random) else { continue }
            var bytes = Array(fixture.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(UInt8(ascii: "9"), at: place)
                case 2 where bytes.count > 1: bytes.remove(at: place)
                default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                }
            }
            guard let candidate = try? CandidateText.parse(String(decoding: bytes, as: UTF8.self)) else { continue }
            good += 1
            // Whatever is accepted can be handed to libnice and to the socket calls as it is.
            #expect(ICEAddress(candidate.address.socketAddress) == candidate.address)
            #expect(candidate.address.port != 0 && candidate.priority != 0 && candidate.address.isUnicast)
        }
        #expect(good > 1000)
    }
}

/// A candidate a line: foundation, component, priority, protocol, type, address, port and perhaps the related ones.
enum CandidateText {
    struct NotEnoughFields: Error {}

    static func fixtures() throws -> [String] {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Fixtures/ice/candidates.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    static func parse(_ line: String) throws -> ICECandidate {
        let fields = line.split(separator: " ").map(String.init)
        guard fields.count >= 7, let component = Int(fields[1]), let priority = Int(fields[2]),
            let port = Int(fields[6])
        else { throw NotEnoughFields() }
        return try ICECandidate(
            foundation: fields[0], component: component, priority: priority, transportProtocol: fields[3],
            kind: fields[4], ip: fields[5], port: port, relatedIP: fields.count > 7 ? fields[7] : nil,
            relatedPort: fields.count > 8 ? Int(fields[8]) : nil)
    }
}
