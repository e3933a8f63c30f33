import Foundation
import Testing

extension EndToEnd {
    /// Somebody sits at a terminal.
    @Suite("Terminal")
    struct AtTheTerminal {
        private static let question = "Accept? [y/N] "

        @Test func acceptedFileArrives() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let terminal = try PseudoTerminal()
                let receiver = try await world.receiver(["--once"], at: terminal)
                let sender = try world.sender(of: [file])
                try await terminal.wait(toShow: Self.question, by: receiver)
                #expect(terminal.text.contains("alice@sleigh.test wants to send big.iso (1.0 MiB)."))
                #expect(try world.inboxNames.isEmpty)
                try terminal.type("y\n")
                let sent = try await sender.exit()
                #expect(sent.status == 0, "\(sent.messages)")
                #expect(try await receiver.exit().status == 0)
                world.expectReceived(file)
            }
        }

        @Test func declinedFileDoesNotArriveAndTheNextOneMay() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let terminal = try PseudoTerminal()
                let receiver = try await world.receiver(["--once"], at: terminal)
                let declined = try world.sender(of: [file])
                try await terminal.wait(toShow: Self.question, by: receiver)
                try terminal.type("n\n")
                let exit = try await declined.exit()
                #expect(exit.status == 5, "\(exit.messages)")
                #expect(exit.messages.contains("bob@sleigh.test declined"), "\(exit.messages)")
                #expect(try world.inboxNames.isEmpty)
                try await expectAcceptance(of: file, in: world, by: receiver, at: terminal)
            }
        }

        @Test func withdrawnQuestionGoesAway() async throws {
            try await World.with(.veth) { world in
                let file = try world.makeFile(byteCount: 1 << 20)
                let terminal = try PseudoTerminal()
                let receiver = try await world.receiver(["--once"], at: terminal)
                let sendersTerminal = try PseudoTerminal()
                let sender = try world.sender(of: [file], at: sendersTerminal)
                try await terminal.wait(toShow: Self.question, by: receiver)
                try await sendersTerminal.wait(toShow: "to accept …", by: sender)
                try sendersTerminal.type("\u{3}")
                let sent = try await sender.exit()
                #expect(sent.status == 130, "\(sent.messages)")
                try await terminal.wait(toShow: "alice@sleigh.test withdrew the offer.", by: receiver)
                try await expectAcceptance(of: file, in: world, by: receiver, at: terminal)
            }
        }

        @Test func withoutATerminalNobodyCanBeAsked() async throws {
            try await World.with(.veth) { world in
                let received = try await world.sleigh(
                    "receive", ["--into", world.folder.path], on: .b, as: "bob", before: ["setsid", "--wait"]
                ).exit()
                #expect(received.status == 2, "\(received.messages)")
                #expect(received.messages.contains("--yes"), "\(received.messages)")
            }
        }

        @Test func typedPasswordIsCheckedAndKept() async throws {
            try await World.with(.veth) { world in
                let password = try String(
                    contentsOf: world.folder.appending(path: "alice.password"), encoding: .utf8)
                let terminal = try PseudoTerminal()
                let login = try await logIn(typing: password, at: terminal, in: world)
                #expect(login.status == 0, "\(terminal.text)")
                let secret = password.trimmingCharacters(in: .newlines)
                #expect(!terminal.text.contains(secret))
                #expect(terminal.isEchoing)

                let store = try #require(try filesOfSleigh(in: world).first { $0.lastPathComponent == "accounts.toml" })
                #expect(try String(contentsOf: store, encoding: .utf8).contains(secret))
                let mode = try FileManager.default.attributesOfItem(atPath: store.path)[.posixPermissions] as? Int
                #expect(mode == 0o600)
            }
        }

        @Test func wrongPasswordIsNotKept() async throws {
            try await World.with(.veth) { world in
                let terminal = try PseudoTerminal()
                let login = try await logIn(typing: "not-the-password-7391\n", at: terminal, in: world)
                #expect(login.status == 3, "\(terminal.text)")
                #expect(terminal.text.contains("password"))
                #expect(!terminal.text.contains("7391"))
                #expect(try filesOfSleigh(in: world).isEmpty)
            }
        }

        @Test func interruptedPasswordQuestionGivesTheEchoBack() async throws {
            try await World.with(.veth) { world in
                let terminal = try PseudoTerminal()
                let login = try await logIn(typing: "half\u{3}", at: terminal, in: world)
                #expect(login.status == 130, "\(terminal.text)")
                #expect(!terminal.text.contains("half"))
                #expect(terminal.isEchoing)
            }
        }

        private func logIn(
            typing text: String, at terminal: PseudoTerminal, in world: World
        ) async throws -> Program.Exit {
            let login = try world.sleigh("login", ["alice@sleigh.test"], on: .a, as: nil, at: terminal)
            try await terminal.wait(toShow: "Password for alice@sleigh.test: ", by: login)
            #expect(!terminal.isEchoing)
            try terminal.type(text)
            return try await login.exit()
        }

        /// What sleigh has stored for somebody who had no account before.
        private func filesOfSleigh(in world: World) throws -> [URL] {
            let home = world.home(of: nil, on: .a)
            return try FileManager.default.subpathsOfDirectory(atPath: home.path).map { home.appending(path: $0) }
                .filter { !$0.hasDirectoryPath && (try? Data(contentsOf: $0))?.isEmpty == false }
        }

        /// Expects that a receiver that was asked before asks again, and takes the file.
        private func expectAcceptance(
            of file: URL, in world: World, by receiver: Program, at terminal: PseudoTerminal
        ) async throws {
            let sender = try world.sender(of: [file])
            try await terminal.wait(toShow: Self.question, count: 2, by: receiver)
            try terminal.type("y\n")
            let sent = try await sender.exit()
            #expect(sent.status == 0, "\(sent.messages)")
            #expect(try await receiver.exit().status == 0)
            world.expectReceived(file)
        }
    }
}
