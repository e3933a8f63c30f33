import Foundation
import Testing

extension EndToEnd {
    /// A transfer that broke off, and the next attempt.
    @Suite("Resumption")
    struct Resumption {
        private static let link = ["--delay-ms", "5", "--rate-mbit", "40"]
        private static let byteCount = 16 << 20
        /// How much has arrived at least when the transfer breaks off.
        private static let arrivedByteCount = 4 << 20

        /// Who dies without a word: the other side notices by its silence.
        @Test(arguments: [Side.receiver, .sender])
        func goesOnAfterTheDeath(of victim: Side) async throws {
            try await transferInTheMiddle { world, file, sender, receiver in
                (victim == .sender ? sender : receiver).signal(SIGKILL)
                let survivor = try await (victim == .sender ? receiver : sender).exit()
                #expect(survivor.status == 7, "\(survivor.messages)")
                #expect(survivor.messages.contains("it goes on where it stopped"), "\(survivor.messages)")
                #expect(try world.inboxNames == ["big.iso.sleigh-part"])

                let (sent, received) = try await sendAgain(file, in: world)
                try #require(sent.status == 0, "\(sent.messages)")
                try #require(received.status == 0, "\(received.messages)")
                world.expectReceived(file)
                #expect(try world.inboxNames == ["big.iso"])
                for completed in try sent.completed + received.completed {
                    #expect(completed.byteCount == Self.byteCount)
                    let transferred = try #require(completed.transferredByteCount)
                    #expect(transferred <= Self.byteCount - Self.arrivedByteCount)
                }
            }
        }

        @Test func aFileThatHasChangedIsSentAnew() async throws {
            try await transferInTheMiddle { world, file, sender, receiver in
                sender.signal(SIGINT)
                _ = try await (sender.exit(), receiver.exit())
                let changed = try world.makeFile(byteCount: Self.byteCount)

                let (sent, received) = try await sendAgain(changed, in: world)
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(received.status == 0, "\(received.messages)")
                world.expectReceived(changed)
                #expect(try sent.completed.first?.transferredByteCount == Self.byteCount)
            }
        }

        /// Name, size and date are the same: only the checksum can tell.
        @Test func aFileThatHasChangedUnseenIsNotStored() async throws {
            try await transferInTheMiddle { world, file, sender, receiver in
                sender.signal(SIGINT)
                _ = try await (sender.exit(), receiver.exit())
                let changed = try world.makeFile(byteCount: Self.byteCount)
                try setDate(of: changed)

                let (sent, received) = try await sendAgain(changed, in: world)
                #expect(sent.status == 8, "\(sent.messages)")
                #expect(received.status == 8, "\(received.messages)")
                #expect(try world.inboxNames.isEmpty)

                let (sentAtLast, receivedAtLast) = try await sendAgain(changed, in: world)
                #expect(sentAtLast.status == 0, "\(sentAtLast.messages)")
                #expect(receivedAtLast.status == 0, "\(receivedAtLast.messages)")
                world.expectReceived(changed)
            }
        }

        /// The negotiation is over, so the bytes go on; what comes after them needs the server.
        @Test func theServerDies() async throws {
            try await transferInTheMiddle { world, file, sender, receiver in
                try await world.holding(sender, receiver) { try await world.stopServer() }
                let sent = try await sender.exit()
                let received = try await receiver.exit()
                #expect(sent.status == 7, "\(sent.messages)")
                #expect(received.status == 7, "\(received.messages)")
                for exit in [sent, received] {
                    #expect(exit.messages.contains("the connection to the XMPP server was lost"), "\(exit.messages)")
                }
                let part = world.inbox.appending(path: "big.iso.sleigh-part").path
                #expect(FileManager.default.contentsEqual(atPath: part, andPath: file.path))

                try await world.startServer()
                let (sentAgain, receivedAgain) = try await sendAgain(file, in: world)
                try #require(sentAgain.status == 0, "\(sentAgain.messages)")
                try #require(receivedAgain.status == 0, "\(receivedAgain.messages)")
                world.expectReceived(file)
                #expect(try world.inboxNames == ["big.iso"])
                #expect(try sentAgain.completed.first?.transferredByteCount == 0)
                #expect(try receivedAgain.completed.first?.transferredByteCount == 0)
            }
        }

        private func sendAgain(
            _ file: URL, in world: World
        ) async throws -> (sent: Program.Exit, received: Program.Exit) {
            let receiver = try await world.receiver()
            let sent = try await world.sender(of: [file]).exit()
            return (sent, try await receiver.exit())
        }

        /// Starts a transfer of some seconds and hands over once a good part has arrived.
        private func transferInTheMiddle(
            _ body: (World, URL, Program, Program) async throws -> Void
        ) async throws {
            try await World.with(.link, link: Self.link) { world in
                let file = try world.makeFile(byteCount: Self.byteCount)
                try setDate(of: file)
                let receiver = try await world.receiver()
                let sender = try world.sender(of: [file])
                try await world.waitForPart(of: file, from: sender, byteCount: Self.arrivedByteCount)
                try await body(world, file, sender, receiver)
            }
        }

        /// Gives a file a date long ago, as files have that were not made by this very test.
        private func setDate(of file: URL) throws {
            let date = Date(timeIntervalSince1970: 1_700_000_000)
            try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: file.path)
        }
    }
}
