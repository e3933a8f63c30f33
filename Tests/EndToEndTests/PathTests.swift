import Testing

/// A topology and the path a file must take there.
struct PathCase: CustomTestStringConvertible {
    var topology: Topology
    var path: String

    var isRelayed: Bool { path.hasPrefix("relay") }
    var testDescription: String { "\(topology.rawValue): \(path)" }
}

extension EndToEnd {
    @Suite("Paths")
    struct Paths {
        private static let byteCount = 16 << 20

        @Test(arguments: [
            PathCase(topology: .lan, path: "direct tcp"),
            PathCase(topology: .lanWithoutTCP, path: "direct udp"),
            PathCase(topology: .lanWithoutUDP, path: "direct tcp"),
            // The host on the public network can be dialled, and is near.
            PathCase(topology: .oneNAT, path: "direct tcp"),
            PathCase(topology: .twoNATs, path: "direct udp"),
            PathCase(topology: .symmetric, path: "relay turn-udp"),
            PathCase(topology: .udpBlocked, path: "relay turn-tcp"),
            PathCase(topology: .ipv6, path: "direct udp"),
        ])
        func fileTakesThePath(_ expected: PathCase) async throws {
            try await World.with(expected.topology) { world in
                try await sendAndCheck(in: world, expected: expected, arguments: [])
            }
        }

        @Test func relayOnlyRelaysWhereADirectPathExists() async throws {
            try await World.with(.twoNATs) { world in
                let expected = PathCase(topology: .twoNATs, path: "relay turn-udp")
                try await sendAndCheck(in: world, expected: expected, arguments: ["--relay-only"])
            }
        }

        /// Prosody with mod_limits reads 10 kB/s of a client: a negotiation must not need more than seconds of it.
        @Test func negotiationFitsIntoTheServersLimits() async throws {
            try await World.with(.twoNATs, server: ["--limits"]) { world in
                let expected = PathCase(topology: .twoNATs, path: "direct udp")
                let sent = try await sendAndCheck(in: world, expected: expected, arguments: [])
                let seconds = try #require(sent.timeToFirstByteSeconds)
                #expect(seconds < 10)
            }
        }

        @Test func fileArrivesOverALossyLink() async throws {
            let link = ["--delay-ms", "50", "--rate-mbit", "200", "--loss", "1"]
            try await World.with(.link, link: link) { world in
                let expected = PathCase(topology: .link, path: "direct udp")
                try await sendAndCheck(in: world, expected: expected, arguments: [])
            }
        }

        @discardableResult
        private func sendAndCheck(in world: World, expected: PathCase, arguments: [String]) async throws -> Event {
            let file = try world.makeFile(byteCount: Self.byteCount)
            let receiver = try await world.receiver()
            let before = try await world.serverByteCount
            let sender = try await world.sender(of: [file], arguments).exit(within: .seconds(120))
            let received = try await receiver.exit()
            let carried = try await world.serverByteCount - before

            try #require(sender.status == 0, "\(sender.messages)")
            try #require(received.status == 0, "\(received.messages)")
            world.expectReceived(file)
            let sent = try #require(try sender.completed.first)
            let got = try #require(try received.completed.first)
            #expect([sent.path, got.path] == [expected.path, expected.path])
            #expect(sent.byteCount == Self.byteCount)
            #expect(got.byteCount == Self.byteCount)
            #expect(sent.sha256 != nil && sent.sha256 == got.sha256)
            #expect(sent.peer?.hasPrefix("bob@sleigh.test") == true)
            #expect(got.peer?.hasPrefix("alice@sleigh.test") == true)
            if expected.isRelayed {
                #expect(carried > Self.byteCount)
            } else {
                #expect(carried < Self.byteCount / 16, "the server carried \(carried) bytes")
            }
            let firstByte = sent.timeToFirstByteSeconds.map { "\($0)" } ?? "?"
            print(
                "PATH \(expected.topology.rawValue): \(expected.path), first byte \(firstByte) s, server \(carried) B")
            return sent
        }
    }
}
