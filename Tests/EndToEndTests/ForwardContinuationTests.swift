import Foundation
import Testing

extension EndToEnd {
    /// Forwarded connections whose path is lost: Wire/Stream-Continuation.md § Many streams.
    @Suite("Forwards that go on")
    struct ForwardContinuations {
        private static let link = ["--delay-ms", "5", "--rate-mbit", "40"]

        /// Nothing comes through any more where the bytes go; the server can still be reached, and with it another path.
        @Test func fromUDPToTCP() async throws {
            try await World.with(.link, link: Self.link) { world in
                try await expectContinuation(
                    from: "direct udp", to: "direct tcp", in: world, byteCount: 6_000_001, forwarding: []
                ) {
                    try await world.drop("meta l4proto udp", in: .b)
                }
            }
        }

        /// The proxy throws both out: what HTTP/2 carried goes on in another connection of it.
        @Test func fromTheProxyToInBand() async throws {
            try await World.with(.twoNATs, server: ["--components"]) { world in
                try await expectContinuation(
                    from: "socks5 proxy", to: "in-band", in: world, byteCount: 400_001,
                    forwarding: ["--path", "socks5", "--path", "in-band"]
                ) {
                    try await world.resetProxy()
                }
            }
        }

        /// Breaks the path while connections of every kind are open, some busy and some not, and expects that each goes on over
        /// another, and nothing of it is missing. New ones are taken as before.
        ///
        /// - Parameter breakdown: makes the first path useless.
        private func expectContinuation(
            from lost: String, to path: String, in world: World, byteCount: Int, forwarding arguments: [String],
            breaking breakdown: () async throws -> Void
        ) async throws {
            let file = try world.makeFile(byteCount: byteCount)
            let digest = try await world.digest(of: file)
            let servers = [
                try await world.digestServer(on: .b, at: "7001"), try await world.digestServer(on: .a, at: "7002"),
                try await world.echoServer(on: .b, at: "7003"),
            ]
            let listener = try await world.forwardListener(["--allow", "127.0.0.1:*", "--allow-listen", "8002", "-v"])
            let client = try await world.forward(
                [
                    "-L", "8001:127.0.0.1:7001", "-L", "8003:127.0.0.1:7003", "-R", "8002:127.0.0.1:7002", "-v",
                ] + arguments)
            #expect(client.messages.contains(lost), "\(client.messages)")
            // Each waits in the middle.
            let gate = world.folder.appending(path: "gate").path
            let pause = "until [ -e \(gate) ]; do sleep 0.05; done"
            let slow =
                "{ head -c \(byteCount / 2) \(file.path); \(pause); "
                + "tail -c +\(byteCount / 2 + 1) \(file.path); }"
            let there = try world.shell(on: .a, "\(slow) | nc -N 127.0.0.1 8001")
            let back = try world.shell(on: .b, "\(slow) | nc -N 127.0.0.1 8002")
            let stdio = try world.sleigh(
                "forward", ["--stdio", "127.0.0.1:7001", "-v", "bob@sleigh.test"] + arguments, on: .a, as: "alice",
                before: ["bash", "-c", "\(slow) | \"$@\"", "bash"])
            let echo = try world.shell(on: .a, "{ echo one; \(pause); echo two; } | nc -N 127.0.0.1 8003")
            try await wait(for: "the echo") { echo.output == "one\n" || !echo.isRunning }
            try await wait(for: "standard input") {
                stdio.messages.contains("Joined") || !stdio.isRunning
            }
            try await breakdown()
            for program in [client, stdio] {
                try await wait(for: "another path") {
                    program.messages.contains("Going on") || !program.isRunning
                }
            }
            try Data().write(to: URL(filePath: gate))
            for program in [there, back, stdio] {
                let exit = try await program.exit()
                #expect(exit.status == 0 && exit.output == digest, "\(exit.messages)\(client.messages)")
            }
            #expect(try await echo.exit().output == "one\ntwo\n")
            // Nobody has had to begin anew.
            #expect(!client.messages.contains("Trying again"), "\(client.messages)")
            #expect(client.messages.contains(path), "\(client.messages)")
            for (host, place) in [(Host.a, "127.0.0.1 8001"), (.b, "127.0.0.1 8002")] {
                #expect(try await world.exchange(file, on: host, with: place) == digest)
            }
            client.signal(SIGINT)
            #expect(try await client.exit().status == 130)
            #expect(listener.isRunning && servers.allSatisfy(\.isRunning), "\(listener.messages)")
        }

        /// The other side is gone, and nothing goes on: whoever is connected learns it, whether it waits or writes.
        @Test func nobodyIsLeftToGoOn() async throws {
            try await World.with(.lan, server: ["--no-smacks"]) { world in
                let server = try await world.echoServer(on: .b, at: "7003")
                let listener = try await world.forwardListener(["--allow", "127.0.0.1:*"])
                let client = try await world.forward(["-L", "8003:127.0.0.1:7003", "--path", "tcp"])
                let programs = try ["s.recv(1)", "while True: s.sendall(bytes(1 << 16))"].map {
                    try world.python(
                        on: .a,
                        """
                        import socket
                        s = socket.create_connection(("127.0.0.1", 8003)); s.sendall(b"one"); s.recv(3)
                        print("joined", flush=True)
                        try:
                            \($0)
                        except OSError: pass
                        print("over")
                        """)
                }
                for program in programs {
                    try await wait(for: "the echo", within: .seconds(30)) {
                        program.output.contains("joined") || !program.isRunning
                    }
                }
                listener.signal(SIGKILL)
                _ = try await client.event("disconnected")
                for program in programs {
                    #expect(try await program.exit(within: .seconds(30)).output == "joined\nover\n")
                }
                #expect(client.isRunning && server.isRunning, "\(client.messages)")
            }
        }

        /// There is nothing else to be had: nobody takes for complete what is not.
        @Test func pathIsLostForGood() async throws {
            try await World.with(.link, link: Self.link) { world in
                let server = try await world.digestServer(on: .b, at: "7001")
                let listener = try await world.forwardListener(["--allow", "127.0.0.1:7001"])
                let stdio = try world.sleigh(
                    "forward", ["--stdio", "127.0.0.1:7001", "--path", "udp", "-v", "bob@sleigh.test"], on: .a,
                    as: "alice", before: ["bash", "-c", "exec \"$@\" </dev/zero", "bash"])
                try await wait(for: "standard input") {
                    stdio.messages.contains("Joined") || !stdio.isRunning
                }
                try await world.drop("meta l4proto udp", in: .b)
                let exit = try await stdio.exit()
                #expect(exit.status == 7 && exit.output.isEmpty, "\(exit.messages)")
                #expect(exit.messages.contains("there is no other path"), "\(exit.messages)")
                #expect(listener.isRunning && server.isRunning)
            }
        }
    }
}
