import Foundation
import Testing

extension EndToEnd {
    /// What a user does, on a network without obstacles.
    @Suite("Use")
    struct Use {
        @Test(arguments: [0, 1, 1 << 20])
        func fileOfAnySizeArrives(byteCount: Int) async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(named: "some file.bin", byteCount: byteCount)
                let receiver = try await world.receiver()
                let sent = try await world.sender(of: [file]).exit()
                let received = try await receiver.exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(received.status == 0, "\(received.messages)")
                world.expectReceived(file)
                #expect(try world.inboxNames == ["some file.bin"])
            }
        }

        @Test func severalFilesArriveAtOneDevice() async throws {
            try await World.with(.veth) { world in
                let files = try ["a.bin", "b.bin", "c.bin"].map { try world.makeFile(named: $0, byteCount: 300_000) }
                let receiver = try await world.receiver(["--yes", "--resource", "desk"])
                let ready = try await receiver.event("ready")
                let address = try #require(ready.address)
                #expect(address == "bob@sleigh.test/desk")
                let sent = try await world.sender(of: files, to: address).exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try sent.completed.count == files.count)
                for file in files { world.expectReceived(file) }
                receiver.signal(SIGINT)
                #expect(try await receiver.exit().status == 130)
            }
        }

        @Test func nothingIsOverwrittenUnlessAsked() async throws {
            try await World.with(.veth) { world in
                let first = try world.makeFile(named: "notes.txt", byteCount: 1000)
                let receiver = try await world.receiver(["--yes"])
                for _ in 1...2 {
                    let sent = try await world.sender(of: [first]).exit()
                    #expect(sent.status == 0, "\(sent.messages)")
                }
                receiver.signal(SIGTERM)
                _ = try await receiver.exit()
                world.expectReceived(first)
                #expect(try world.inboxNames.count == 2)

                let second = try world.makeFile(named: "notes.txt", byteCount: 2000)
                let overwriter = try await world.receiver(["--yes", "--once", "--overwrite"])
                #expect(try await world.sender(of: [second]).exit().status == 0)
                #expect(try await overwriter.exit().status == 0)
                world.expectReceived(second)
                #expect(try world.inboxNames.count == 2)
            }
        }

        @Test func sendersAtTheSameTimeAllSucceed() async throws {
            try await World.with(.link, link: ["--delay-ms", "5", "--rate-mbit", "40"]) { world in
                var files: [(account: String, file: URL)] = []
                for (folder, account) in [("1", "alice"), ("2", "alice"), ("3", "carol")] {
                    let made = try world.makeFile(byteCount: 4 << 20)
                    let own = made.deletingLastPathComponent().appending(path: folder)
                    try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                    let file = own.appending(path: "same.bin")
                    try FileManager.default.moveItem(at: made, to: file)
                    files.append((account, file))
                }
                let receiver = try await world.receiver(["--yes"])
                let senders = try files.map { try world.sender(of: [$0.file], as: $0.account) }
                for sender in senders {
                    let sent = try await sender.exit()
                    #expect(sent.status == 0, "\(sent.messages)")
                }
                receiver.signal(SIGINT)
                #expect(try await receiver.exit().status == 130)
                let names = try world.inboxNames
                #expect(names == ["same (1).bin", "same (2).bin", "same.bin"])
                let received = try Set(names.map { try Data(contentsOf: world.inbox.appending(path: $0)) })
                #expect(try received == Set(files.map { try Data(contentsOf: $0.file) }))
            }
        }

        /// Escape sequences, a line end, a bidirectional override, C1 controls, and as long as Linux lets it be.
        @Test func nameThatIsNotSafeToPrint() async throws {
            try await World.with(.veth) { world in
                let start = "\u{1B}]0;owned\u{7}\u{1B}[31m\u{9B}2J\nnew line\r\u{202E}gpj.\u{2028}\u{85}"
                let name = start + String(repeating: "x", count: 255 - start.utf8.count - 4) + ".txt"
                try #require(name.utf8.count == 255)
                let file = try world.makeFile(named: name, byteCount: 1000)
                let receiver = try await world.receiver(["--yes", "--once", "--verbose"])
                let sent = try await world.sender(of: [file], ["--verbose"]).exit()
                let received = try await receiver.exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(received.status == 0, "\(received.messages)")

                let stored = try #require(try world.inboxNames.first)
                world.expectReceived(file, as: stored)
                #expect(stored.hasSuffix("xxx.txt"))
                expectPrintable(stored, "the stored name")
                for (side, exit) in [("sender", sent), ("receiver", received)] {
                    expectPrintable(exit.messages, "the \(side)'s messages")
                    expectPrintable(exit.output, "the \(side)'s output")
                    for event in try exit.events { expectPrintable(event.name ?? "", "the \(side)'s event") }
                }
            }
        }

        private func expectPrintable(
            _ text: String, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let hidden = text.unicodeScalars.filter { scalar in
                switch scalar.properties.generalCategory {
                case .control: scalar != "\n"
                case .format, .lineSeparator, .paragraphSeparator: true
                default: false
                }
            }
            #expect(hidden.isEmpty, "\(what): \(hidden.map(\.value))", sourceLocation: sourceLocation)
        }

        @Test func receiverTakesFilesOnlyFromThoseItNames() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1000)
                let receiver = try await world.receiver(["--from", "alice@sleigh.test", "--once"])
                let sent = try await world.sender(of: [file]).exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try await receiver.exit().status == 0)
                world.expectReceived(file)
            }
        }

        @Test func loginIsStoredAndUsed() async throws {
            try await World.with(.veth) { world in
                let password = world.folder.appending(path: "alice.password").path
                let login = try await world.sleigh(
                    "login", ["alice@sleigh.test", "--password-file", password], on: .a, as: nil
                ).exit()
                try #require(login.status == 0, "\(login.messages)")

                let file = try world.makeFile(byteCount: 1000)
                let receiver = try await world.receiver()
                let sent = try await world.sleigh("send", [file.path, "bob@sleigh.test"], on: .a, as: nil).exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try await receiver.exit().status == 0)
                world.expectReceived(file)

                let secret = try String(contentsOfFile: password, encoding: .utf8)
                    .trimmingCharacters(in: .whitespacesAndNewlines)
                let home = world.folder.appending(path: "home-a-nobody").path
                for name in try FileManager.default.subpathsOfDirectory(atPath: home) {
                    let path = "\(home)/\(name)"
                    let text = (try? Data(contentsOf: URL(filePath: path))).map { String(decoding: $0, as: UTF8.self) }
                    guard text?.contains(secret) == true else { continue }
                    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                    #expect(mode == 0o600, "\(name) holds the password")
                }
            }
        }
    }
}
