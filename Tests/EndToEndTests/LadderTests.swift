import Foundation
import Testing

extension EndToEnd {
    /// Down the ladder of paths: a file arrives as long as one is left, and the sender knows why it took no better one.
    @Suite("Ladder")
    struct Ladder {
        private static let byteCount = 2 << 20

        /// A rung, what breaks the one above it, and words of the reasons that the sender then gives.
        private typealias Rung = (path: String, obstacles: [String], breaking: @Sendable (World) async throws -> Void)

        private static let rungs: [Rung] = [
            ("direct tcp", [], { _ in }),
            ("direct udp", ["no TCP connection"], { try await $0.drop(betweenHosts("tcp"), in: .a) }),
            ("relay turn-udp", ["no direct packet"], { try await $0.drop(betweenHosts("udp"), in: .a) }),
            ("relay turn-tcp", ["UDP is blocked"], { try await $0.drop("udp dport 3478", in: .net) }),
            ("socks5 proxy", ["UDP is blocked", "no relay"], { try await $0.stopTURN() }),
            ("in-band", ["UDP is blocked", "no relay", "SOCKS5: neither"], { try await $0.dropProxy() }),
        ]

        private static func betweenHosts(_ name: String) -> String {
            let hosts = "{ 10.0.1.2, 10.0.1.3 }"
            return "meta l4proto \(name) ip saddr \(hosts) ip daddr \(hosts)"
        }

        @Test func eachRungIsReachedByBreakingTheOneAbove() async throws {
            try await World.with(.lan, server: ["--components"]) { world in
                for rung in Self.rungs {
                    try await rung.breaking(world)
                    try await world.expectTransfer(
                        over: rung.path, byteCount: Self.byteCount, obstacles: rung.obstacles)
                }
            }
        }

        // MARK: - With --path

        @Test(arguments: [Side.sender, .receiver])
        func eachRungCanBeForced(by side: Side) async throws {
            func expect(_ path: String, forcedBy names: String..., in world: World) async throws {
                let arguments = names.flatMap { ["--path", $0] }
                try await world.expectTransfer(
                    over: path, byteCount: Self.byteCount, sending: side == .sender ? arguments : [],
                    receiving: side == .receiver ? arguments : [])
            }
            try await World.with(.lan, server: ["--components"]) { world in
                try await expect("direct tcp", forcedBy: "direct", in: world)
                try await expect("direct tcp", forcedBy: "tcp", in: world)
                try await expect("direct udp", forcedBy: "udp", in: world)
                try await expect("relay turn-udp", forcedBy: "relay", in: world)
                try await expect("socks5 direct", forcedBy: "socks5", in: world)
                try await expect("in-band", forcedBy: "in-band", in: world)
                try await expect("socks5 direct", forcedBy: "in-band", "socks5", in: world)
            }
            try await World.with(.twoNATs, server: ["--components"]) { world in
                try await expect("socks5 proxy", forcedBy: "socks5", in: world)
            }
        }

        /// The user's restriction is kept even when that means that nothing arrives.
        @Test func noPathIsTakenThatIsNotAllowed() async throws {
            try await World.with(.symmetric, server: ["--components"]) { world in
                try await world.dropProxy()
                for (path, obstacle) in [("direct", "no direct packet"), ("socks5", "SOCKS5: neither")] {
                    let file = try world.makeFile(byteCount: 1000)
                    let receiver = try await world.receiver()
                    let sent = try await world.sender(of: [file], ["--path", path]).exit()
                    let got = try await receiver.exit()
                    #expect(sent.status == 6 && got.status == 6, "\(path): \(sent.messages)\(got.messages)")
                    #expect(sent.messages.localizedCaseInsensitiveContains(obstacle), "\(sent.messages)")
                    #expect(try world.inboxNames.allSatisfy { $0.hasSuffix(".sleigh-part") })
                }
            }
        }

        // MARK: - In the middle of the negotiation

        /// Both sides have a relayed address and wait for the checks when coturn dies.
        @Test func turnServerDiesInTheMiddle() async throws {
            try await World.with(.symmetric, server: ["--components", "--module", "hold_stanzas"]) { world in
                try await world.expectTransfer(
                    over: "socks5 proxy", byteCount: Self.byteCount, stoppingAt: "session-accept"
                ) { try await world.stopTURN() }
            }
        }

        /// A firewall closes when both sides know how to reach one another.
        @Test func pathDiesInTheMiddle() async throws {
            try await World.with(.twoNATs, server: ["--components", "--module", "hold_stanzas"]) { world in
                try await world.expectTransfer(
                    over: "socks5 proxy", byteCount: Self.byteCount, stoppingAt: "session-accept"
                ) { try await world.drop("meta l4proto udp", in: .net) }
                // Now also what goes to the server, but for its XMPP port.
                try await world.expectTransfer(
                    over: "in-band", byteCount: Self.byteCount, stoppingAt: "session-accept"
                ) { try await world.drop("ip daddr 192.0.2.2 tcp dport != 5222", in: .net) }
            }
        }

        /// The proxy was reached by both sides, but is not any more when it is to carry the bytes.
        @Test(arguments: ["candidate-used", "<activate"])
        func proxyDiesInTheMiddle(at point: String) async throws {
            try await World.with(.twoNATs, server: ["--components", "--module", "hold_stanzas"]) { world in
                try await world.expectTransfer(
                    over: "in-band", byteCount: Self.byteCount, sending: ["--path", "socks5", "--path", "in-band"],
                    stoppingAt: point
                ) { try await world.dropProxy() }
            }
        }

        // MARK: - Both at once

        /// Both send to one another, and neither's offer arrives before the other has made its own.
        @Test(arguments: [
            (Topology.twoNATs, [], "direct udp"), (.udpBlockedOnBothSides, ["--wrong-turn-secret"], "socks5 proxy"),
        ])
        func bothSendAtOnce(topology: Topology, server: [String], path: String) async throws {
            try await World.with(topology, server: server + ["--components", "--module", "hold_stanzas"]) { world in
                let files = try [Host.a, .b].map {
                    try world.makeFile(named: "from-\($0).iso", byteCount: Self.byteCount)
                }
                let folders = ["for-bob", "for-alice"].map { world.folder.appending(path: $0) }
                let receivers = [
                    try await world.receiver(into: folders[0]),
                    try await world.receiver(on: .a, as: "alice", into: folders[1]),
                ]
                var senders: [Program] = []
                try await world.holdingStanzas(with: "action='session-initiate'", clientCount: 2) {
                    senders = [
                        try world.sender(of: [files[0]]),
                        try world.sender(of: [files[1]], to: "alice@sleigh.test", on: .b, as: "bob"),
                    ]
                    return senders
                }
                for (index, sender) in senders.enumerated() {
                    let sent = try await sender.exit()
                    let got = try await receivers[index].exit()
                    #expect(sent.status == 0, "\(sent.messages)")
                    #expect(got.status == 0, "\(got.messages)")
                    #expect(try (sent.completed + got.completed).map(\.path) == [path, path])
                    world.expectReceived(files[index], into: folders[index])
                }
            }
        }
    }
}
