import Foundation
import Testing

extension EndToEnd {
    /// `sleigh pipe` with Libervia, as it was seen on the wire: one direction, not encrypted, only where it is permitted.
    @Suite("One-way pipes")
    struct OneWayPipes {
        private static let capture = "libervia-to-libervia-pipe"

        @Test func toLibervia() async throws {
            try await World.with(.lan, server: ["--components", "--contacts", "alice:bob"]) { world in
                let file = try world.makeFile(byteCount: 300_001)
                let got = world.folder.appending(path: "got")
                let libervia = try await world.play(Self.capture, as: .libervia, file: got)
                let script = "exec \"$@\" <\(file.path)"
                // The bare address: nobody rings, since it is known that no device takes a stream like ours.
                let refused = try await world.pipe(script: script).exit()
                #expect(refused.status == 4, "\(refused.messages)")
                #expect(refused.messages.contains("--allow-unencrypted"), "\(refused.messages)")
                #expect(!FileManager.default.fileExists(atPath: got.path))

                let opened = try await world.pipe(
                    ["--allow-unencrypted"], script: script, to: "bob@sleigh.test/libervia"
                ).exit()
                #expect(opened.status == 0 && opened.output.isEmpty, "\(opened.messages)\(libervia.output)")
                #expect(opened.messages.contains("not end-to-end encrypted"), "\(opened.messages)")
                try await expectPlayed(libervia)
                #expect(FileManager.default.contentsEqual(atPath: file.path, andPath: got.path))
            }
        }

        @Test(arguments: [false, true])
        func fromLibervia(intoACommand: Bool) async throws {
            try await World.with(.lan, server: ["--components", "--contacts", "alice:bob"]) { world in
                let file = try world.makeFile(byteCount: 300_001)
                let got = world.folder.appending(path: "got").path
                // What the command says goes nowhere, and is no reason for it to end.
                let exec = ["--exec", "head -c 100000 /dev/zero; cat >\(got)", "--once"]
                let listener = try await world.pipeListener(
                    ["--resource", "pipe", "--allow-unencrypted"] + (intoACommand ? exec : []),
                    script: "exec \"$@\" </dev/null" + (intoACommand ? "" : " >\(got)"))
                let libervia = try await world.play(
                    Self.capture, as: .libervia, initiating: "bob@sleigh.test/pipe", file: file)
                try await expectPlayed(libervia)
                let exit = try await listener.exit()
                #expect(exit.status == 0, "\(exit.messages)")
                #expect(exit.messages.contains("not end-to-end encrypted"), "\(exit.messages)")
                #expect(FileManager.default.contentsEqual(atPath: file.path, andPath: got))
            }
        }

        /// Somebody who did not say that strangers' clients may come gets none, whatever else was permitted.
        @Test func notByItself() async throws {
            try await World.with(.lan, server: ["--components"]) { world in
                let listener = try await world.pipeListener(["--resource", "pipe", "--exec", "cat"])
                let libervia = try await world.play(
                    Self.capture, as: .libervia, initiating: "bob@sleigh.test/pipe",
                    file: try world.makeFile(byteCount: 10))
                let played = try await libervia.exit()
                #expect(played.status == 1 && played.output.contains("security-error"), "\(played.output)")
                #expect(listener.isRunning)
                #expect(listener.messages.contains("--allow-unencrypted"), "\(listener.messages)")
                let usage = try await world.pipe(
                    ["--allow-unencrypted", "--require-e2e"], script: "exec \"$@\" </dev/null"
                ).exit()
                #expect(usage.status == 2, "\(usage.messages)")
            }
        }

        /// Bytes that end are not yet all: the session has to say so. They are more than wait on their way, so that some have
        /// arrived when the session ends.
        @Test func streamThatBreaksOff() async throws {
            try await World.with(.lan, server: ["--components"]) { world in
                let listener = try await world.pipeListener(
                    ["--resource", "pipe", "--allow-unencrypted"], script: "exec \"$@\" </dev/null >/dev/null")
                let libervia = try await world.play(
                    Self.capture, as: .libervia, initiating: "bob@sleigh.test/pipe",
                    file: try world.makeFile(byteCount: 32 << 20), isHasty: true)
                try await expectPlayed(libervia)
                let exit = try await listener.exit()
                #expect(exit.status == 7, "\(exit.messages)")
            }
        }

        private func expectPlayed(_ program: Program, sourceLocation: SourceLocation = #_sourceLocation) async throws {
            let exit = try await program.exit()
            #expect(
                exit.status == 0 && exit.output.hasSuffix("done\n"), "\(exit.output)\(exit.messages)",
                sourceLocation: sourceLocation)
        }
    }
}
