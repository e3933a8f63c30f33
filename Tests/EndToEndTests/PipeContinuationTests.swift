import Foundation
import Testing

extension EndToEnd {
    /// A pipe whose path is lost: Wire/Stream-Continuation.md.
    @Suite("Pipes that go on")
    struct PipeContinuations {
        private static let link = ["--delay-ms", "5", "--rate-mbit", "40"]

        /// Nothing comes through any more where the bytes go, in the middle of both directions and of an ssh session; the
        /// server can still be reached, and with it another path. Nothing is missing, nothing comes twice.
        @Test func pathIsLostAndAnotherTaken() async throws {
            try await World.with(.link, link: Self.link) { world in
                let files = [
                    try world.makeFile(named: "there", byteCount: 20_000_001),
                    try world.makeFile(named: "back", byteCount: 16_000_003),
                ]
                let got = ["there.got", "back.got"].map { world.folder.appending(path: $0) }
                let server = try await world.startSSHServer()
                let sshListener = try await world.pipeListener(["--connect", "127.0.0.1:2222"], as: "carol")
                let gate = world.folder.appending(path: "gate").path
                let digest = try await world.shell("sha256sum <\(files[0].path)")
                let ssh = try world.pipe(
                    ["-v"],
                    script: "{ head -c 1000000 \(files[0].path); until [ -e \(gate) ]; do sleep 0.05; done; "
                        + "tail -c +1000001 \(files[0].path); } | ssh -F none -i \(world.folder.path)/key "
                        + "-o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no "
                        + "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ProxyCommand=\"$*\" root@bob "
                        + "'echo ready; sha256sum'", to: "carol@sleigh.test")
                try await wait(for: "ssh") { ssh.output.contains("ready") || !ssh.isRunning }

                let listener = try await world.pipeListener(
                    ["-v"], script: "exec \"$@\" <\(files[1].path) >\(got[0].path)")
                let opener = try world.pipe(["-v"], script: "exec \"$@\" <\(files[0].path) >\(got[1].path)")
                for file in got { try await world.waitForBytes(1_000_000, in: file) }
                #expect(opener.messages.contains("direct udp"), "\(opener.messages)")
                try await world.holding(opener, listener) { try await world.drop("meta l4proto udp", in: .b) }
                try Data().write(to: URL(filePath: gate))

                let opened = try await opener.exit()
                let listened = try await listener.exit()
                for exit in [opened, listened] {
                    #expect(exit.status == 0, "\(exit.messages)")
                    #expect(exit.messages.contains("Looking for another"), "\(exit.messages)")
                    #expect(exit.messages.contains("direct tcp"), "\(exit.messages)")
                }
                for (file, got) in zip(files, got) {
                    #expect(FileManager.default.contentsEqual(atPath: file.path, andPath: got.path), "\(got.path)")
                }
                let session = try await ssh.exit()
                #expect(session.status == 0 && session.output == "ready\n\(digest)", "\(session)")
                #expect(session.messages.contains("Going on where it stopped"), "\(session.messages)")
                #expect(sshListener.isRunning, "\(sshListener.messages)")
                server.signal(SIGTERM)
                _ = try await server.exit()
            }
        }

        /// There is nothing else to be had: nobody takes for delivered what was not.
        @Test func pathIsLostForGood() async throws {
            try await World.with(.link, link: Self.link) { world in
                let got = world.folder.appending(path: "got")
                let listener = try await world.pipeListener(script: "exec \"$@\" </dev/null >\(got.path)")
                let opener = try world.pipe(["--path", "udp"], script: "exec \"$@\" </dev/zero")
                try await world.waitForBytes(1_000_000, in: got)
                try await world.drop("meta l4proto udp", in: .b)
                for exit in [try await opener.exit(), try await listener.exit()] {
                    #expect(exit.status == 7, "\(exit.messages)")
                }
                #expect(opener.messages.contains("there is no other path"), "\(opener.messages)")
            }
        }
    }
}
