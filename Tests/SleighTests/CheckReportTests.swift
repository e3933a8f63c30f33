import Testing

@testable import sleigh

/// What a person reads of a report.
struct CheckReportTests {
    private static let connection = CheckReport.Connection(
        host: "xmpp.example.org", port: 5223, ip: "192.0.2.7", security: "direct-tls", tlsVersion: "TLSv1.3",
        saslMechanism: "SCRAM-SHA-256-PLUS")

    private static func report() -> CheckReport {
        CheckReport(account: "me@example.org/x", connection: connection)
    }

    private static func family(_ nat: String, _ mapping: String, public address: String? = "198.51.100.1")
        -> CheckReport.Family
    {
        CheckReport.Family(
            hostAddresses: ["10.0.0.2"], publicAddress: address, nat: nat, mapping: mapping, mappingBasis: "the basis",
            keepsPort: nil)
    }

    private static let noFamily = CheckReport.Family(
        hostAddresses: [], publicAddress: nil, nat: "unknown", mapping: "unknown", mappingBasis: "no address")

    @Test func connectionIsATable() {
        #expect(
            Self.report().lines == [
                "Connection",
                "  account     me@example.org/x",
                "  server      xmpp.example.org:5223 (192.0.2.7)",
                "  encryption  direct TLS, TLSv1.3",
                "  log-in      SCRAM-SHA-256-PLUS",
            ])
    }

    @Test func serverListsWhatItHas() {
        var report = Self.report()
        report.server = .init(
            externalServices: true, carbons: false, streamManagement: true,
            proxies: [
                .init(address: "proxy.example.org", hosts: ["192.0.2.8:5000"]),
                .init(address: "p.example.org", hosts: [], reason: "it refuses"),
                .init(address: "q.example.org", hosts: []),
            ],
            uploads: [
                .init(address: "up.example.org", maximumFileByteCount: 1_048_576), .init(address: "u.example.org"),
            ])
        #expect(
            Array(report.lines.dropFirst(6)) == [
                "Server",
                "  STUN and TURN list (XEP-0215)  yes",
                "  stream management (XEP-0198)   yes",
                "  carbons (XEP-0280)             no",
                "  SOCKS5 proxy (XEP-0065)        proxy.example.org: 192.0.2.8:5000",
                "  SOCKS5 proxy (XEP-0065)        p.example.org: it refuses",
                "  SOCKS5 proxy (XEP-0065)        q.example.org: without an address",
                "  HTTP upload (XEP-0363)         up.example.org: up to 1.0 MiB a file",
                "  HTTP upload (XEP-0363)         u.example.org: limit not announced",
            ])
    }

    @Test func servicesSayWhatBecameOfThem() {
        var report = Self.report()
        report.services = [
            .init(
                kind: "stun", transport: "udp", host: "2001:db8::1", port: 3478, ipVersion: 6, works: true,
                address: "a:1"),
            .init(
                kind: "turn", transport: "tcp", host: "t.example.org", port: 443, ipVersion: 4, works: true,
                address: "b:2"),
            .init(kind: "turn", host: "t", port: 3478, ipVersion: 4, works: false, reason: "no answer"),
            .init(kind: "turns", transport: "tcp", host: "t", port: 5349, reason: "for a reason"),
        ]
        #expect(
            Array(report.lines.dropFirst(6)) == [
                "STUN and TURN servers",
                "  stun udp   [2001:db8::1]:3478  IPv6  works: sees a:1",
                "  turn tcp   t.example.org:443   IPv4  works: relays at b:2",
                "  turn       t:3478              IPv4  does not work: no answer",
                "  turns tcp  t:5349                    not used: for a reason",
            ])
        report.services = []
        #expect(Array(report.lines.dropFirst(6)) == ["STUN and TURN servers", "  none"])
    }

    @Test(arguments: [
        (family("none", "endpoint-independent"), "  IPv4 NAT           none"),
        (family("translated", "endpoint-independent"), "direct paths can be made (the basis)"),
        (family("translated", "endpoint-dependent"), "two such hosts need a relay (the basis)"),
        (family("translated", "unknown"), "unknown: the basis"),
        (family("unknown", "unknown", public: nil), "  IPv4 NAT           unknown"),
    ])
    func natIsNamed(family: CheckReport.Family, ending: String) {
        var report = Self.report()
        report.network = .init(udp: "open", relay: "tcp", ipv4: family, ipv6: Self.noFamily)
        let lines = Array(report.lines.dropFirst(6))
        #expect(lines.first == "Network" && lines.last == "  IPv6               no address")
        #expect(lines.contains("  UDP                gets through"))
        #expect(lines.contains("  relay              works over TCP"))
        #expect(lines.contains { $0.hasPrefix("  IPv4 NAT") && $0.hasSuffix(ending) }, "\(lines)")
    }

    @Test(arguments: [
        ("open", "gets through"), ("blocked", "does not get through"),
        ("unknown", "unknown: there is no server to try it with"),
    ])
    func udpIsNamed(word: String, text: String) {
        var report = Self.report()
        report.network = .init(udp: word, relay: "none", ipv4: Self.noFamily, ipv6: Self.noFamily)
        #expect(report.lines.contains("  UDP    \(text)"), "\(report.lines)")
        #expect(report.lines.contains { $0.hasPrefix("  relay  none") })
    }

    @Test func peerSaysWhy() {
        var report = Self.report()
        report.recipient = .init(
            address: "you@example.org", subscription: "both", reachable: true, canReceive: false, reason: "none can",
            devices: [
                .init(
                    address: "you@example.org/a", client: "Dino", type: "pc", priority: 0, jingle: true,
                    fileTransfer: true,
                    takesProposals: false, transports: ["socks5"], sharedTransports: [], canReceive: false,
                    reason: "it has no transport in common"),
                .init(
                    address: "you@example.org/b", jingle: true, fileTransfer: true, takesProposals: true,
                    transports: ["ice-quic"], sharedTransports: ["ice-quic"], canReceive: true),
                .init(address: "you@example.org/c", transports: [], sharedTransports: [], reason: "it did not answer"),
            ])
        #expect(
            Array(report.lines.dropFirst(6)) == [
                "Peer you@example.org",
                "  contact      yes, you see each other's presence",
                "  reachable    yes",
                "  can receive  no",
                "  because      none can",
                "",
                "Device you@example.org/a",
                "  client                        Dino (pc)",
                "  Jingle                        yes",
                "  file transfer                 yes",
                "  transports                    socks5",
                "  asked by the bare address     no",
                "  can receive from this sleigh  no, because it has no transport in common",
                "",
                "Device you@example.org/b",
                "  client                        unknown",
                "  Jingle                        yes",
                "  file transfer                 yes",
                "  transports                    ice-quic",
                "  can receive from this sleigh  yes, over ice-quic",
                "",
                "Device you@example.org/c",
                "  client                        unknown",
                "  can receive from this sleigh  cannot be told: it did not answer",
            ])
    }

    @Test(arguments: [nil, "none", "from", "to", "self"] as [String?])
    func whatCannotBeToldIsSaid(subscription: String?) {
        var report = Self.report()
        report.recipient = .init(address: "you@example.org", subscription: subscription, reason: "of that", devices: [])
        #expect(report.lines.contains("  reachable    cannot be told"))
        #expect(report.lines.contains("  can receive  cannot be told"))
        #expect(report.lines.contains { $0.hasPrefix("  contact") } == (subscription != nil))
    }
}
