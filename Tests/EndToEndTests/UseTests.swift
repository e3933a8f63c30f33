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
