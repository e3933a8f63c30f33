import Foundation
import Testing

extension EndToEnd {
    /// What the XMPP server does, and what it gets to see.
    @Suite("Server")
    struct Server {
        /// With stream management it first tries to go on, which the server, once it is back, knows nothing of.
        @Test(arguments: [false, true]) func receiverReturnsWithTheServer(isResumable: Bool) async throws {
            try await World.with(.veth, server: isResumable ? ["--module", "smacks"] : []) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let receiver = try await world.receiver(["--yes"])
                try await world.stopServer()
                if !isResumable {
                    try await wait(for: "announcement of the next attempt") {
                        receiver.messages.contains("Trying again in") || !receiver.isRunning
                    }
                }
                try await world.startServer()
                _ = try await receiver.event("ready", number: 2, within: .seconds(60))
                #expect(receiver.messages.contains("Trying again in"), "\(receiver.messages)")
                let sent = try await world.sender(of: [file]).exit()
                #expect(sent.status == 0, "\(sent.messages)")
                world.expectReceived(file)
                receiver.signal(SIGINT)
                #expect(try await receiver.exit().status == 130)
            }
        }

        @Test func directTLS() async throws {
            try await World.with(.veth, server: ["--tls-port", "5223"]) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let server = ["--server", "tls:\(world.topology.serverAddress):5223"]
                let receiver = try await world.receiver(["--yes", "--once"] + server)
                let sent = try await world.sender(of: [file], server).exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try await receiver.exit().status == 0)
                world.expectReceived(file)
            }
        }

        @Test func bothDevicesOfAnAccountAreAsked() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let question = "Accept? [y/N] "
                let (deskTerminal, sofaTerminal) = (try PseudoTerminal(), try PseudoTerminal())
                let desk = try await world.receiver(["--once", "--resource", "desk"], on: .b, at: deskTerminal)
                let sofa = try await world.receiver(["--once", "--resource", "sofa"], on: .a, at: sofaTerminal)
                let first = try world.sender(of: [file])
                try await deskTerminal.wait(toShow: question, by: desk)
                try await sofaTerminal.wait(toShow: question, by: sofa)
                try deskTerminal.type("y\n")
                try await sofaTerminal.wait(toShow: "Another device accepted it.", by: sofa)
                let sent = try await first.exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try sent.completed.first?.peer == "bob@sleigh.test/desk")
                #expect(try await desk.exit().status == 0)
                world.expectReceived(file)

                let second = try world.sender(of: [file])
                try await sofaTerminal.wait(toShow: question, count: 2, by: sofa)
                try sofaTerminal.type("y\n")
                let sentAgain = try await second.exit()
                #expect(sentAgain.status == 0, "\(sentAgain.messages)")
                #expect(try sentAgain.completed.first?.peer == "bob@sleigh.test/sofa")
                #expect(try await sofa.exit().status == 0)
                world.expectReceived(file, as: "big (1).iso")
            }
        }

        /// With `--relay-only` neither the server nor the peer learns an address of a host from it, and it dials nothing
        /// but the server, whatever the path.
        @Test(arguments: [Side.sender, .receiver])
        func relayOnlyKeepsAddressesToItself(of side: Side) async throws {
            try await World.with(.twoNATs, server: ["--components", "--module", "record_stanzas"]) { world in
                let (hider, hidden) = side == .sender ? ("alice", Self.alicesAddresses) : ("bob", Self.bobsAddresses)
                let (other, shown) = side == .sender ? ("bob", Self.bobsAddresses) : ("alice", Self.alicesAddresses)
                let hidersHost: Namespace = side == .sender ? .a : .b
                try await world.drop("oifname eth0 ip daddr != \(world.topology.serverAddress)", in: hidersHost)

                var count = 0
                for (path, breakdown) in Self.hidingPaths {
                    try await breakdown(world)
                    let arguments = ["--relay-only"]
                    try await world.expectTransfer(
                        over: path, byteCount: 1 << 20, sending: side == .sender ? arguments : [],
                        receiving: side == .receiver ? arguments : [])
                    let stanzas = try world.serverLog.filter { $0.contains("Stanza: ") }.dropFirst(count)
                    count += stanzas.count
                    let (told, said) = (candidates(in: stanzas, by: hider), self.said(by: hider, stanzas))
                    #expect(told.allSatisfy { $0.contains("type='relay'") || $0.contains("type='proxy'") }, "\(told)")
                    #expect(said.filter { $0.contains("<direct") } == [])
                    for address in hidden + ["fe80:"] {
                        #expect(said.filter { $0.contains(address) } == [], "\(path): \(address) was told")
                    }
                    // The host that hides nothing shows that the record is whole; its public address only while coturn tells.
                    let answered = candidates(in: stanzas, by: other)
                    for address in shown.prefix(path.hasPrefix("relay") ? 2 : 1) {
                        #expect(answered.contains { $0.contains(address) }, "\(path): \(answered)")
                    }
                }
                #expect(try await world.droppedPacketCount(in: hidersHost) == 0)
            }
        }

        private static let alicesAddresses = ["10.0.1.2", "198.51.100.2"]
        private static let bobsAddresses = ["10.0.2.2", "203.0.113.2"]

        /// The paths that hide an address, and what leads from one to the next.
        private static let hidingPaths: [(String, @Sendable (World) async throws -> Void)] = [
            ("relay turn-udp", { _ in }), ("socks5 proxy", { try await $0.stopTURN() }),
            ("in-band", { try await $0.dropProxy() }),
        ]

        /// What the server carries between two sleighs it cannot read.
        @Test func serverCannotReadWhatItCarries() async throws {
            try await World.with(.veth, server: ["--module", "record_stanzas"]) { world in
                let file = try world.makeFile(byteCount: 0)
                try Data(count: 1 << 18).write(to: file)
                let receiver = try await world.receiver()
                let sent = try await world.sender(of: [file], ["--path", "in-band", "--require-e2e"]).exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try await receiver.exit().status == 0)
                world.expectReceived(file)
                let blocks = try world.serverLog.filter { $0.contains("Stanza: ") && $0.contains("<data ") }
                #expect(blocks.map(\.utf8.count).reduce(0, +) > 1 << 18)
                #expect(!blocks.contains { $0.contains(String(repeating: "A", count: 40)) })
            }
        }

        private func said(by account: String, _ stanzas: some Sequence<Substring>) -> [Substring] {
            stanzas.filter { $0.contains("from='\(account)@sleigh.test") }
        }

        private func candidates(in stanzas: some Sequence<Substring>, by account: String) -> [Substring] {
            said(by: account, stanzas).flatMap { stanza in
                stanza.ranges(of: /<candidate [^>]*>/).map { stanza[$0] }
            }
        }
    }
}
