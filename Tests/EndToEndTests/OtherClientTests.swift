import Foundation
import Testing

extension EndToEnd {
    /// What other clients did on the wire, played against sleigh in both roles.
    @Suite("Other clients")
    struct OtherClients {
        /// Without sleigh: the tool that plays the captures understands itself.
        @Test(arguments: ["gajim-to-dino-s5b-direct", "libervia-to-libervia-ibb"])
        func bothSidesOfACapture(name: String) async throws {
            let session = try #require(CapturedSession.all.first { $0.name == name })
            try await World.with(session.topology, server: session.server + ["--contacts", "alice:bob"]) { world in
                let file = try world.makeFile(named: "f.bin", byteCount: 100_000)
                try FileManager.default.createDirectory(at: world.inbox, withIntermediateDirectories: true)
                let received = world.inbox.appending(path: "f.bin")
                let responder = try await world.play(name, as: session.responder, file: received)
                let peer = session.startsWithProposal ? "" : "/\(session.responder.rawValue.lowercased())"
                let initiator = try await world.play(
                    name, as: session.initiator, initiating: "bob@sleigh.test\(peer)", file: file)
                for program in [initiator, responder] { try await expectPlayed(program) }
                world.expectReceived(file)
            }
        }

        @Test(arguments: CapturedSession.all)
        func sleighReceives(session: CapturedSession) async throws {
            try await World.with(session.topology, server: session.server) { world in
                let file = try world.makeFile(named: "f.bin", byteCount: 300_000)
                let receiver = try await world.receiver()
                let address = try #require(try await receiver.event("ready").address)
                let peer = session.startsWithProposal ? "bob@sleigh.test" : address
                let sender = try await world.play(
                    session.name, as: session.initiator, initiating: peer, file: file)
                try await expectPlayed(sender)
                let received = try await receiver.exit()
                #expect(received.status == 0, "\(received.messages)")
                let completed = try #require(try received.completed.first)
                #expect(completed.path == session.path)
                #expect(completed.isVerified == session.isVerified)
                #expect(completed.isEndToEndEncrypted == false)
                world.expectReceived(file)
            }
        }

        @Test(arguments: CapturedSession.all)
        func sleighSends(session: CapturedSession) async throws {
            try await World.with(session.topology, server: session.server + ["--contacts", "alice:bob"]) { world in
                let file = try world.makeFile(named: "f.bin", byteCount: 300_000)
                try FileManager.default.createDirectory(at: world.inbox, withIntermediateDirectories: true)
                let received = world.inbox.appending(path: "f.bin")
                let receiver = try await world.play(session.name, as: session.responder, file: received)
                // The bare address: those that take no proposals are found by their presence.
                let sent = try await world.sender(of: [file]).exit()
                try #require(sent.status == 0, "\(sent.messages)\(receiver.output)")
                try await expectPlayed(receiver)
                let completed = try #require(try sent.completed.first)
                #expect(completed.path == session.path)
                #expect(completed.isVerified == false)
                world.expectReceived(file)
            }
        }

        /// Dino may end the session while the last bytes are still on their way.
        @Test(arguments: [1, 300_000])
        func sessionThatEndsBeforeTheLastByteIsRead(byteCount: Int) async throws {
            try await World.with(.twoNATs, server: ["--components"]) { world in
                let file = try world.makeFile(named: "f.bin", byteCount: byteCount)
                let receiver = try await world.receiver()
                let address = try #require(try await receiver.event("ready").address)
                let sender = try await world.play(
                    "dino-to-gajim-proxy65", as: .dino, initiating: address, file: file, isHasty: true)
                try await expectPlayed(sender)
                let received = try await receiver.exit()
                #expect(received.status == 0, "\(received.messages)")
                world.expectReceived(file)
            }
        }

        /// Dino gives up where no candidate is reached.
        @Test func sessionWithoutAPath() async throws {
            try await World.with(.twoNATs) { world in
                let file = try world.makeFile(named: "f.bin", byteCount: 1000)
                let receiver = try await world.receiver()
                let address = try #require(try await receiver.event("ready").address)
                let sender = try await world.play("dino-to-gajim-ibb", as: .dino, initiating: address, file: file)
                try await expectPlayed(sender)
                let received = try await receiver.exit()
                #expect(received.status == 6)
                // Dino's own words explain nothing.
                for words in ["SOCKS5: neither side", "the other client gave up"] {
                    #expect(received.messages.contains(words), "\(received.messages)")
                }
                #expect(try world.inboxNames.isEmpty)
            }
        }

        /// A file that only OMEMO opens is refused with that reason, and the receiver goes on.
        @Test func encryptedContentIsRefused() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(named: "f.bin", byteCount: 1000)
                let receiver = try await world.receiver(["--yes"])
                let address = try #require(try await receiver.event("ready").address)
                let sender = try await world.play(
                    "conversations-jet", as: .conversations, initiating: address, file: file)
                try await expectPlayed(sender)
                #expect(try world.inboxNames.isEmpty)
                let other = try await world.sender(of: [file]).exit()
                #expect(other.status == 0, "\(other.messages)")
                receiver.signal(SIGINT)
                #expect(try await receiver.exit().status == 130)
            }
        }

        /// Nothing is waited for when it can be told that no device is able to receive.
        @Test func contactWithoutAnAbleDevice() async throws {
            try await World.with(.veth, server: ["--contacts", "alice:bob"]) { world in
                let file = try world.makeFile(named: "f.bin", byteCount: 1000)
                let devices = [
                    try await world.scriptedClient(
                        "bob", resource: "chat", features: ["urn:xmpp:jingle:1", "urn:xmpp:jingle-message:0"]),
                    try await world.scriptedClient("bob", resource: "bot", features: ["urn:xmpp:ping"]),
                ]
                let sent = try await world.sender(of: [file]).exit()
                #expect(sent.status == 4)
                #expect(sent.messages.contains("chat: it does not receive files"), "\(sent.messages)")
                #expect(sent.messages.contains("bot: it does not negotiate transfers"))
                for device in devices { device.signal(SIGKILL) }
            }
        }

        private func expectPlayed(
            _ program: Program, sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            let exit = try await program.exit()
            #expect(
                exit.status == 0 && exit.output.hasSuffix("done\n"), "\(exit.output)\(exit.messages)",
                sourceLocation: sourceLocation)
        }
    }
}
