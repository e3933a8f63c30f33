import Foundation
import Testing

extension EndToEnd {
    /// What happens in the middle of a transfer, on a link slow enough to have a middle.
    @Suite("Interruptions")
    struct Interruptions {
        /// Whose length decides what carries the bytes.
        enum Path: String, CaseIterable {
            case tcp = "direct tcp"
            case udp = "direct udp"

            var link: [String] { ["--delay-ms", self == .tcp ? "1" : "5", "--rate-mbit", "40"] }
        }

        @Test(arguments: [SIGINT, SIGTERM], Path.allCases)
        func senderIsInterrupted(by signal: Int32, on path: Path) async throws {
            try await transferInTheMiddle(path) { world, file, sender, receiver in
                sender.signal(signal)
                #expect(try await sender.exit().status == 130)
                let received = try await receiver.exit()
                #expect(received.status == 7, "\(received.messages)")
                #expect(try world.inboxNames.allSatisfy { $0 == "big.iso.sleigh-part" })
            }
        }

        @Test(arguments: [SIGINT, SIGTERM], Path.allCases)
        func receiverIsInterrupted(by signal: Int32, on path: Path) async throws {
            try await transferInTheMiddle(path) { world, file, sender, receiver in
                receiver.signal(signal)
                #expect(try await receiver.exit().status == 130)
                let sent = try await sender.exit()
                #expect(sent.status == 7, "\(sent.messages)")
                #expect(try world.inboxNames.allSatisfy { $0 == "big.iso.sleigh-part" })
            }
        }

        /// Nothing comes through any more where the bytes go; the server can still be reached, and with it another path.
        /// Nobody is asked again, and it counts as one file.
        @Test func pathIsLostAndAnotherTaken() async throws {
            try await transferInTheMiddle(.udp) { world, file, sender, receiver in
                try await world.holding(sender, receiver) { try await world.drop("meta l4proto udp", in: .b) }
                let sent = try await sender.exit()
                try #require(sent.status == 0, "\(sent.messages) \(receiver.messages)")
                let received = try await receiver.exit()
                try #require(received.status == 0, "\(received.messages)")
                world.expectReceived(file)
                #expect(try world.inboxNames == ["big.iso"])
                for exit in [sent, received] {
                    let completed = try exit.completed
                    #expect(completed.map(\.path) == ["direct tcp"])
                    #expect(completed.first?.transferredByteCount == completed.first?.byteCount)
                    #expect(completed.first?.pathReasons?.contains { $0.hasPrefix("direct udp was lost") } == true)
                    #expect(exit.messages.contains("Looking for another"), "\(exit.messages)")
                }
            }
        }

        /// There is nothing else to be had, or nothing else permitted.
        @Test func pathIsLostForGood() async throws {
            try await transferInTheMiddle(.udp, sending: ["--path", "udp"]) { world, file, sender, receiver in
                try await world.holding(sender, receiver) { try await world.drop("meta l4proto udp", in: .b) }
                let sent = try await sender.exit()
                let received = try await receiver.exit()
                #expect(sent.status == 7, "\(sent.messages)")
                #expect(received.status == 7, "\(received.messages)")
                #expect(sent.messages.contains("there is no other path"), "\(sent.messages)")
                #expect(try world.inboxNames == ["big.iso.sleigh-part"])
            }
        }

        /// Nobody says goodbye: the socket of a killed process is closed by its kernel. What has come can be resumed.
        @Test func senderIsKilled() async throws {
            try await transferInTheMiddle(.tcp) { world, file, sender, receiver in
                sender.signal(SIGKILL)
                let received = try await receiver.exit()
                #expect(received.status == 7, "\(received.messages)")
                #expect(try world.inboxNames.allSatisfy { $0 == "big.iso.sleigh-part" })
            }
        }

        @Test func receiverIsKilled() async throws {
            try await transferInTheMiddle(.tcp) { world, file, sender, receiver in
                receiver.signal(SIGKILL)
                let sent = try await sender.exit()
                #expect(sent.status == 7, "\(sent.messages)")
            }
        }

        @Test(arguments: Path.allCases)
        func sendersFileShrinks(on path: Path) async throws {
            try await transferInTheMiddle(path) { world, file, sender, receiver in
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
            try await transferInTheMiddle(.tcp) { world, file, sender, receiver in
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
            _ path: Path, sending: [String] = [], _ body: (World, URL, Program, Program) async throws -> Void
        ) async throws {
            try await World.with(.link, link: path.link) { world in
                let file = try world.makeFile(byteCount: 40 << 20)
                let receiver = try await world.receiver()
                let sender = try world.sender(of: [file], ["-v"] + sending)
                try await world.waitForPart(of: file, from: sender)
                #expect(sender.messages.contains(path.rawValue), "\(sender.messages)")
                try await body(world, file, sender, receiver)
            }
        }
    }
}
