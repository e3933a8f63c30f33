import TestSupport
import Testing

@testable import Client

@Suite struct ServerEndpointTests {
    static func record(_ priority: UInt16, _ weight: UInt16, _ target: String, port: UInt16 = 5222)
        -> ServiceRecord
    {
        ServiceRecord(priority: priority, weight: weight, port: port, target: target)
    }

    func ordered(direct: [ServiceRecord], startTLS: [ServiceRecord], seed: UInt64 = 1) -> [String] {
        var random = SeededRandom(seed: seed)
        return ServerEndpoint.ordered(
            domain: "example.org", direct: direct, startTLS: startTLS, using: &random
        )
        .map(\.description)
    }

    @Test(arguments: [
        ("b.example.org", "b.example.org:5222"), ("b.example.org:443", "b.example.org:443"),
        ("[2001:db8::1]:9222", "[2001:db8::1]:9222"), ("tls:b.example.org", nil), ("", nil), ("a b", nil), ("a:0", nil),
        ("2001:db8::1", nil),
    ])
    func aServersWishIsRead(location: String, expected: String?) {
        #expect(ServerEndpoint(location: location, security: .startTLS)?.description == expected)
        let direct = ServerEndpoint(location: location, security: .directTLS)
        #expect(direct?.description == expected.map { "tls:" + $0.replacing(":5222", with: ":5223") })
    }

    @Test func withoutRecordsTheDomainItselfIsTried() {
        #expect(ordered(direct: [], startTLS: []) == ["example.org:5222"])
    }

    @Test func theDotMeansNotAvailable() {
        #expect(ordered(direct: [], startTLS: [Self.record(0, 0, "")]) == [])
        #expect(ordered(direct: [Self.record(0, 0, "")], startTLS: [Self.record(0, 0, "")]) == [])
        #expect(ordered(direct: [Self.record(0, 0, "")], startTLS: []) == ["example.org:5222"])
        #expect(
            ordered(direct: [Self.record(0, 0, "")], startTLS: [Self.record(0, 0, "a.org")]) == [
                "a.org:5222"
            ])
        #expect(
            ordered(direct: [Self.record(0, 0, "a.org", port: 443)], startTLS: [Self.record(0, 0, "")])
                == ["tls:a.org:443"])
    }

    @Test func bothServicesAreMixedByPriority() {
        let endpoints = ordered(
            direct: [Self.record(10, 0, "b.org", port: 443), Self.record(30, 0, "d.org", port: 5223)],
            startTLS: [Self.record(20, 0, "c.org"), Self.record(5, 0, "a.org")])
        #expect(endpoints == ["a.org:5222", "tls:b.org:443", "c.org:5222", "tls:d.org:5223"])
    }

    @Test func atMostEightAreTried() {
        #expect(ordered(direct: [], startTLS: (0..<30).map { Self.record($0, 0, "h.org") }).count == 8)
    }

    @Test func chancesFollowTheWeights() {
        let records = [
            Self.record(0, 10, "ten"), Self.record(0, 30, "thirty"), Self.record(0, 60, "sixty"),
        ]
        var random = SeededRandom(seed: 42)
        var first: [String: Int] = [:]
        for _ in 0..<5000 {
            let ordered = ServiceRecord.ordered(records, by: { $0 }, using: &random)
            #expect(Set(ordered) == Set(records))
            first[ordered[0].target, default: 0] += 1
        }
        #expect(400...600 ~= first["ten", default: 0])
        #expect(1350...1650 ~= first["thirty", default: 0])
        #expect(2800...3200 ~= first["sixty", default: 0])
    }

    @Test func noWeightIsASmallChance() {
        let records = [Self.record(0, 0, "none"), Self.record(0, 99, "most")]
        var random = SeededRandom(seed: 42)
        let first = (0..<5000).map { _ in
            ServiceRecord.ordered(records, by: { $0 }, using: &random)[0].target
        }
        #expect(1...200 ~= first.count { $0 == "none" })
    }

    @Test(arguments: [
        ("host.example", "host.example", 5222, ServerEndpoint.Security.startTLS),
        ("host.example:5269", "host.example", 5269, .startTLS),
        ("host.example:5223", "host.example", 5223, .directTLS),
        ("tls:host.example", "host.example", 5223, .directTLS),
        ("tls:host.example:443", "host.example", 443, .directTLS),
        ("127.0.0.1:15222", "127.0.0.1", 15222, .startTLS),
        ("[::1]", "::1", 5222, .startTLS),
        ("tls:[2001:db8::7]:443", "2001:db8::7", 443, .directTLS),
    ]) func readsWhatUsersWrite(
        text: String, host: String, port: Int, security: ServerEndpoint.Security
    ) throws {
        let endpoint = try #require(ServerEndpoint(parsing: text))
        #expect(endpoint == ServerEndpoint(host: host, port: port, security: security))
        #expect(ServerEndpoint(parsing: endpoint.description) == endpoint)
    }

    @Test(arguments: [
        "", ":5222", "host:", "host:0", "host:65536", "host:-1", "host:+5222", "host:52 22",
        "host:5222:1", "[::1",
        "[::1]5222", "[host]:1", "::1", "tls:", "me@host", "tls://host", "a b", "host/5222",
    ]) func refusesAnythingElse(text: String) {
        #expect(ServerEndpoint(parsing: text) == nil)
    }
}
