import Foundation
import Testing

extension EndToEnd {
    /// Each failure has its exit code and a sentence with a hint, and leaves nothing broken.
    @Suite("Failures")
    struct Failures {
        @Test func wrongPassword() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1000)
                let password = world.folder.appending(path: "alice.password")
                try Data("not-the-password-7391\n".utf8).write(to: password)
                let sent = try await world.sender(of: [file]).exit()
                expectFailure(sent, status: 3, saying: "password")
                #expect(!sent.messages.contains("7391"))
                let login = try await world.sleigh(
                    "login", ["alice@sleigh.test", "--password-file", password.path], on: .a, as: nil
                ).exit()
                #expect(login.status == 3)
                #expect(login.messages.contains("password"))
            }
        }

        @Test func noServer() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1000)
                let sent = try await world.sender(of: [file], ["--server", "192.0.2.2:5999"]).exit()
                expectFailure(sent, status: 3, saying: "192.0.2.2")
            }
        }

        @Test func certificateNotTrusted() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1000)
                let sent = try await world.sleigh(
                    "send", [file.path, "bob@sleigh.test", "--json"], on: .a, as: "alice", trusting: false
                ).exit()
                expectFailure(sent, status: 8, saying: "certificate")
            }
        }

        @Test(arguments: ["nobody@sleigh.test", "bob@sleigh.test", "bob@sleigh.test/desk"])
        func peerUnknownOrOffline(peer: String) async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1000)
                let sent = try await world.sender(of: [file], to: peer).exit()
                expectFailure(sent, status: 4, saying: peer)
            }
        }

        @Test func peerDeclines() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1000)
                let receiver = try await world.receiver(["--from", "carol@sleigh.test"])
                let sent = try await world.sender(of: [file]).exit()
                expectFailure(sent, status: 5, saying: "declined")
                #expect(receiver.isRunning)
                #expect(try world.inboxNames.isEmpty)
                receiver.signal(SIGINT)
                #expect(try await receiver.exit().status == 130)
            }
        }

        @Test func forgedFingerprint() async throws {
            try await World.with(.veth, server: ["--module", "forge_fingerprint"]) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let receiver = try await world.receiver()
                let sent = try await world.sender(of: [file]).exit()
                let received = try await receiver.exit()
                expectFailure(sent, status: 8, saying: "fingerprint")
                expectFailure(received, status: 8, saying: "fingerprint")
                #expect(try world.inboxNames.isEmpty)
            }
        }

        /// Nothing goes in the clear, whatever was to carry it.
        @Test func fingerprintsAreTakenOut() async throws {
            try await World.with(.veth, server: ["--module", "strip_fingerprint"]) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                for arguments in [[], ["--path", "socks5"], ["--path", "in-band"]] {
                    let receiver = try await world.receiver()
                    let sent = try await world.sender(of: [file], arguments).exit()
                    let received = try await receiver.exit()
                    expectFailure(sent, status: 8, saying: "no end-to-end encrypted path")
                    expectFailure(received, status: 8, saying: "without end-to-end encryption")
                    #expect(try world.inboxNames.isEmpty)
                }
            }
        }

        /// A device that was met before comes with another certificate; the hint says how to trust it again.
        @Test(arguments: [Side.sender, .receiver])
        func deviceKeyHasChanged(of side: Side) async throws {
            try await World.with(.veth) { world in
                let first = try world.makeFile(named: "first.bin", byteCount: 1000)
                let second = try world.makeFile(named: "second.bin", byteCount: 1000)
                func send(_ file: URL) async throws -> [Side: Program.Exit] {
                    let receiver = try await world.receiver()
                    let sent = try await world.sender(of: [file]).exit()
                    return [.sender: sent, .receiver: try await receiver.exit()]
                }
                for (_, exit) in try await send(first) { #expect(exit.status == 0, "\(exit.messages)") }

                let homes: [Side: URL] = [
                    .sender: world.home(of: "alice", on: .a), .receiver: world.home(of: "bob", on: .b),
                ]
                let changed = try #require(homes[side]).appending(path: "state/device.pem")
                try FileManager.default.removeItem(at: changed)
                let other: Side = side == .sender ? .receiver : .sender
                let known = try #require(homes[other]).appending(path: "state/known_devices")
                for (reporting, exit) in try await send(second) {
                    expectFailure(exit, status: 8, saying: reporting == other ? known.path : "certificate")
                }
                #expect(try world.inboxNames == ["first.bin"])

                try Data().write(to: known)
                for (_, exit) in try await send(second) { #expect(exit.status == 0, "\(exit.messages)") }
                world.expectReceived(second)
            }
        }

        @Test func missingFile() async throws {
            try await World.with(.veth) { world in
                let file = world.folder.appending(path: "missing.iso")
                let sent = try await world.sender(of: [file]).exit()
                expectFailure(sent, status: 9, saying: "missing.iso")
            }
        }

        @Test func diskFull() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 16 << 20)
                // The receiver sees a disk of 4 MiB where others see the inbox; what it leaves there is listed outside.
                let listing = world.folder.appending(path: "left").path
                let receiver = try await world.receiver(
                    before: mounting("size=4m", over: world.inbox, listing: listing))
                let sent = try await world.sender(of: [file]).exit()
                let received = try await receiver.exit()
                expectFailure(received, status: 9, saying: "space")
                // Refused beforehand or broken off in the middle.
                #expect([1, 5].contains(sent.status), "\(sent.status): \(sent.messages)")
                let left = try String(contentsOfFile: listing, encoding: .utf8).split(separator: "\n")
                #expect(left.allSatisfy { $0 == "big.iso.sleigh-part" }, "\(left)")
            }
        }

        @Test func unwritableFolder() async throws {
            try await World.with(.veth) { world in
                try FileManager.default.createDirectory(at: world.inbox, withIntermediateDirectories: true)
                let listing = world.folder.appending(path: "left").path
                let received = try await world.sleigh(
                    "receive", ["--yes", "--once", "--into", world.inbox.path, "--json"], on: .b, as: "bob",
                    before: mounting("ro", over: world.inbox, listing: listing)
                ).exit()
                expectFailure(received, status: 9, saying: world.inbox.path)
            }
        }

        /// A command that mounts a file system of its own over a folder for the command that follows it.
        private func mounting(_ options: String, over folder: URL, listing: String) -> [String] {
            let script = """
                mount -t tmpfs -o \(options) sleigh '\(folder.path)' || exit 99
                "$@"; status=$?
                ls -A '\(folder.path)' >'\(listing)'
                exit $status
                """
            return ["unshare", "--mount", "sh", "-c", script, "sh"]
        }

        private func expectFailure(
            _ exit: Program.Exit, status: Int32, saying word: String, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            #expect(exit.status == status, "\(exit.messages)", sourceLocation: sourceLocation)
            #expect(
                exit.messages.localizedCaseInsensitiveContains(word), "\(exit.messages)",
                sourceLocation: sourceLocation)
            let last = (try? exit.events)?.last
            #expect(last?.event == "failed", "\(exit.output)", sourceLocation: sourceLocation)
            #expect(last?.exitCode == status, sourceLocation: sourceLocation)
            #expect(last?.reason?.isEmpty == false, sourceLocation: sourceLocation)
        }
    }
}
