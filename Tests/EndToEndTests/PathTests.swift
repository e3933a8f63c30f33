import Testing

/// A topology with a server, and the path a file must take there.
struct PathCase: CustomTestStringConvertible {
    var topology: Topology
    /// Options of `Scripts/lab write`.
    var server: [String] = []
    var path: String
    /// Words of the reasons for not taking a better path.
    var obstacles: [String] = []

    var testDescription: String { "\(topology.rawValue) \(server.joined(separator: " ")): \(path)" }
}

extension EndToEnd {
    @Suite("Paths")
    struct Paths {
        private static let byteCount = 16 << 20

        @Test(arguments: [
            PathCase(topology: .lan, path: "direct tcp"),
            PathCase(topology: .lanWithoutUDP, path: "direct tcp"),
            // The host on the public network can be dialled, and is near.
            PathCase(topology: .oneNAT, path: "direct tcp"),
            PathCase(topology: .twoNATs, path: "direct udp", obstacles: ["TCP"]),
            // A relay that refuses us is not needed.
            PathCase(topology: .twoNATs, server: ["--wrong-turn-secret"], path: "direct udp", obstacles: ["TCP"]),
            PathCase(topology: .symmetric, path: "relay turn-udp", obstacles: ["no direct packet got through"]),
            PathCase(topology: .udpBlocked, path: "relay turn-tcp", obstacles: ["STUN"]),
            PathCase(topology: .udpBlockedOnBothSides, path: "relay turn-tcp", obstacles: ["STUN"]),
            PathCase(
                topology: .symmetric, server: ["--components", "--wrong-turn-secret"], path: "socks5 proxy",
                obstacles: ["no relay from 192.0.2.2:3478 over UDP: the server refuses our user name and password"]),
            PathCase(
                topology: .xmppOnly, server: ["--components"], path: "in-band",
                obstacles: ["STUN", "no relay from 192.0.2.2:3478", "SOCKS5: neither"]),
            PathCase(topology: .ipv6, path: "direct udp", obstacles: ["TCP"]),
        ])
        func fileTakesThePath(_ expected: PathCase) async throws {
            try await World.with(expected.topology, server: expected.server) { world in
                try await world.expectTransfer(
                    over: expected.path, byteCount: Self.byteCount, obstacles: expected.obstacles)
            }
        }

        /// Prosody with mod_limits reads 10 kB/s of a client: a negotiation must not need more than seconds of it.
        @Test func negotiationFitsIntoTheServersLimits() async throws {
            try await World.with(.twoNATs, server: ["--limits"]) { world in
                let sent = try await world.expectTransfer(over: "direct udp", byteCount: Self.byteCount)
                let seconds = try #require(sent.timeToFirstByteSeconds)
                #expect(seconds < 10)
            }
        }

        @Test func fileArrivesOverALossyLink() async throws {
            let link = ["--delay-ms", "50", "--rate-mbit", "200", "--loss", "1"]
            try await World.with(.link, link: link) { world in
                try await world.expectTransfer(over: "direct udp", byteCount: Self.byteCount)
            }
        }

        /// Checks and dials get lost, and their answers come late: that is no dead path. Mostly it is UDP, but three
        /// checks in a row may get lost.
        @Test func slowAndLossyLinkIsStillTaken() async throws {
            let link = ["--delay-ms", "150", "--rate-mbit", "50", "--loss", "5"]
            try await World.with(.link, link: link, server: ["--components"]) { world in
                let file = try world.makeFile(byteCount: 100_000)
                let receiver = try await world.receiver()
                let sent = try await world.sender(of: [file]).exit()
                try #require(sent.status == 0, "\(sent.messages)")
                #expect(try await receiver.exit().status == 0)
                let path = try #require(try sent.completed.first?.path)
                #expect(path.hasPrefix("direct "), "\(path): \(sent.messages)")
            }
        }

        /// A round trip that is long for TCP is no reason to relay.
        @Test func longLinkWithoutUDPIsLeftToTCP() async throws {
            try await World.with(.link, link: ["--delay-ms", "20", "--rate-mbit", "200"]) { world in
                try await world.drop("meta l4proto udp", in: .b)
                try await world.expectTransfer(
                    over: "direct tcp", byteCount: Self.byteCount, obstacles: ["UDP"])
            }
        }
    }
}
