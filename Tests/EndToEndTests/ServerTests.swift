import Foundation
import Testing

extension EndToEnd {
    /// What the XMPP server does, and what it gets to see.
    @Suite("Server")
    struct Server {
        @Test func receiverReturnsWithTheServer() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let receiver = try await world.receiver(["--yes"])
                try await world.stopServer()
                try await wait(for: "announcement of the next attempt") {
                    receiver.messages.contains("Trying again in") || !receiver.isRunning
                }
                try await world.startServer()
                _ = try await receiver.event("ready", number: 2)
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

        /// With `--relay-only` neither the server nor the peer learns an address of the sender's host from it.
        @Test func relayOnlyKeepsAddressesToItself() async throws {
            try await World.with(.twoNATs, server: ["--module", "record_stanzas"]) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let receiver = try await world.receiver()
                let sent = try await world.sender(of: [file], ["--relay-only"]).exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try await receiver.exit().status == 0)
                world.expectReceived(file)

                let stanzas = try world.serverLog.filter { $0.contains("Stanza: ") }
                let (alices, bobs) = (said(by: "alice", stanzas), said(by: "bob", stanzas))
                let offered = candidates(in: alices)
                #expect(!offered.isEmpty)
                #expect(offered.allSatisfy { $0.contains("type='relay'") }, "\(offered)")
                for address in ["10.0.1.2", "198.51.100.2", "fe80:"] {
                    #expect(alices.filter { $0.contains(address) } == [], "\(address) was told")
                }
                // The host that hides nothing shows that the record is whole.
                let answered = candidates(in: bobs)
                #expect(answered.contains { $0.contains("type='host'") && $0.contains("10.0.2.2") }, "\(answered)")
                #expect(answered.contains { $0.contains("type='srflx'") && $0.contains("203.0.113.2") }, "\(answered)")
            }
        }

        private func said(by account: String, _ stanzas: [Substring]) -> [Substring] {
            stanzas.filter { $0.contains("from='\(account)@sleigh.test") }
        }

        private func candidates(in stanzas: [Substring]) -> [Substring] {
            stanzas.flatMap { stanza in
                stanza.ranges(of: /<candidate [^>]*>/).map { stanza[$0] }
            }
        }
    }
}
