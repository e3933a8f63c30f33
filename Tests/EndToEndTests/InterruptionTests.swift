import Foundation
import Testing

extension EndToEnd {
    /// What happens in the middle of a transfer, on a link slow enough to have a middle.
    @Suite("Interruptions")
    struct Interruptions {
        private static let link = ["--delay-ms", "5", "--rate-mbit", "40"]

        @Test(arguments: [SIGINT, SIGTERM])
        func senderIsInterrupted(by signal: Int32) async throws {
            try await transferInTheMiddle { world, file, sender, receiver in
                sender.signal(signal)
                #expect(try await sender.exit(within: .seconds(10)).status == 130)
                let received = try await receiver.exit(within: .seconds(15))
                #expect(received.status == 7, "\(received.messages)")
                #expect(try world.inboxNames.allSatisfy { $0 == "big.iso.sleigh-part" })
            }
        }

        @Test(arguments: [SIGINT, SIGTERM])
        func receiverIsInterrupted(by signal: Int32) async throws {
            try await transferInTheMiddle { world, file, sender, receiver in
                receiver.signal(signal)
                #expect(try await receiver.exit(within: .seconds(10)).status == 130)
                let sent = try await sender.exit(within: .seconds(15))
                #expect(sent.status == 7, "\(sent.messages)")
                #expect(try world.inboxNames.allSatisfy { $0 == "big.iso.sleigh-part" })
            }
        }

        @Test func sendersFileShrinks() async throws {
            try await transferInTheMiddle { world, file, sender, receiver in
                let handle = try FileHandle(forWritingTo: file)
                try handle.truncate(atOffset: 1000)
                try handle.close()
                let sent = try await sender.exit()
                #expect(sent.status == 9, "\(sent.messages)")
                #expect(sent.messages.contains("big.iso"))
                let received = try await receiver.exit()
                #expect([1, 7].contains(received.status), "\(received.status): \(received.messages)")
                #expect(try world.inboxNames.allSatisfy { $0 == "big.iso.sleigh-part" })
            }
        }

        /// The sender holds the file open: its name may go.
        @Test func sendersFileVanishes() async throws {
            try await transferInTheMiddle { world, file, sender, receiver in
                let kept = file.deletingLastPathComponent().appending(path: "kept")
                try FileManager.default.linkItem(at: file, to: kept)
                try FileManager.default.removeItem(at: file)
                let sent = try await sender.exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try await receiver.exit().status == 0)
                world.expectReceived(kept, as: "big.iso")
            }
        }

        /// Starts a transfer of some ten seconds and hands over once the receiver has begun to write.
        private func transferInTheMiddle(
            _ body: (World, URL, Program, Program) async throws -> Void
        ) async throws {
            try await World.with(.link, link: Self.link) { world in
                let file = try world.makeFile(byteCount: 40 << 20)
                let receiver = try await world.receiver()
                let sender = try world.sender(of: [file])
                try await world.waitForPart(of: file, from: sender)
                try await body(world, file, sender, receiver)
            }
        }
    }
}
