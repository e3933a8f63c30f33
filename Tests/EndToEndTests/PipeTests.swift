import Foundation
import Testing

extension EndToEnd {
    /// `sleigh pipe`: two programs, joined.
    @Suite("Pipes")
    struct Pipes {
        /// What both ends of a pipe are joined to, as shell redirections, and how sleigh ended.
        private struct Pair {
            var listener: Program
            var opener: Program

            func expectSuccess(
                within limit: Duration = .seconds(120), sourceLocation: SourceLocation = #_sourceLocation
            ) async throws {
                let opened = try await opener.exit(within: limit)
                let listened = try await listener.exit()
                #expect(opened.status == 0, "\(opened.messages)", sourceLocation: sourceLocation)
                #expect(listened.status == 0, "\(listened.messages)", sourceLocation: sourceLocation)
            }
        }

        private static func pair(
            in world: World, bob: String, alice: String, listening: [String] = [], opening: [String] = []
        ) async throws -> Pair {
            let listener = try await world.pipeListener(listening, script: bob)
            return Pair(listener: listener, opener: try world.pipe(opening, script: alice))
        }

        // MARK: - Both directions

        /// Different lengths end at different times, and neither end takes the other direction with it.
        @Test(arguments: [
            ([], "direct tcp", 40 << 20, 3 << 20), (["udp"], "direct udp", 5 << 20, 20 << 20),
            (["socks5"], "socks5 direct", 0, 20 << 20), (["in-band"], "in-band", 900_001, 100_000),
        ])
        func bothDirectionsAtOnce(paths: [String], path: String, there: Int, back: Int) async throws {
            try await World.with(.lan, server: ["--components"]) { world in
                let sent = [
                    try world.makeFile(named: "there", byteCount: there),
                    try world.makeFile(named: "back", byteCount: back),
                ]
                let got = ["there.got", "back.got"].map { world.folder.appending(path: $0).path }
                let pair = try await Self.pair(
                    in: world, bob: "exec \"$@\" <\(sent[1].path) >\(got[0])",
                    alice: "exec \"$@\" <\(sent[0].path) >\(got[1])",
                    opening: paths.flatMap { ["--path", $0] } + ["-v"])
                try await pair.expectSuccess()
                #expect(pair.opener.messages.contains(path), "\(pair.opener.messages)")
                for (sent, got) in zip(sent, got) {
                    #expect(FileManager.default.contentsEqual(atPath: sent.path, andPath: got), "\(got)")
                }
            }
        }

        /// A proxy, which knows of no directions, takes neither along with the other, nor keeps their last bytes.
        @Test func directionsEndApartThroughAProxy() async throws {
            try await World.with(.twoNATs, server: ["--components"]) { world in
                let file = try world.makeFile(named: "there", byteCount: 1_000_001)
                let got = world.folder.appending(path: "there.got").path
                // Bob has nothing to say; alice says the rest only when bob has got a part, and ends after that.
                let listener = try await world.pipeListener(script: "exec \"$@\" </dev/null >\(got)")
                let part = 9000
                let opener = try world.pipe(
                    ["--path", "socks5", "-v"],
                    script: """
                        { head -c \(part) \(file.path); until [ -s \(got) ] && [ $(stat -c %s \(got)) = \(part) ]; do sleep 0.02; done
                          tail -c +\(part + 1) \(file.path); } | "$@"
                        """)
                try await Pair(listener: listener, opener: opener).expectSuccess()
                #expect(opener.messages.contains("socks5 proxy"), "\(opener.messages)")
                #expect(FileManager.default.contentsEqual(atPath: file.path, andPath: got))
            }
        }

        /// The program there sees the end of its input, and answers only then.
        @Test func endOfInputEndsOneDirectionOnly() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.pipeListener(["--exec", "sha256sum", "--once"])
                let file = try world.makeFile(byteCount: 3_000_001)
                let opener = try world.pipe(script: "exec \"$@\" <\(file.path)")
                let exit = try await opener.exit()
                #expect(exit.status == 0, "\(exit.messages)")
                #expect(try await listener.exit().status == 0, "\(listener.messages)")
                let digest = try await world.shell("sha256sum <\(file.path)")
                #expect(exit.output == digest)
            }
        }

        /// Nobody knows how long it is, and neither side keeps it.
        @Test func longStreamOfUnknownLength() async throws {
            try await World.with(.lan) { world in
                let folder = world.folder.path
                let bytes = 5 << 30
                let pair = try await Self.pair(
                    in: world,
                    bob: "/usr/bin/time -o \(folder)/bob.rss -f %M \"$@\" | sha256sum >\(folder)/got; "
                        + "exit ${PIPESTATUS[0]}",
                    alice: "openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c \(bytes) "
                        + "| tee >(sha256sum >\(folder)/sent) | /usr/bin/time -o \(folder)/alice.rss -f %M \"$@\"")
                let started = ContinuousClock.now
                try await pair.expectSuccess(within: .seconds(900))
                print("PIPE 5 GiB in \(ContinuousClock.now - started)")
                let digests = try ["sent", "got"].map { try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8) }
                #expect(digests[0].count > 60 && digests[0] == digests[1])
                for side in ["alice", "bob"] {
                    let text = try String(contentsOfFile: "\(folder)/\(side).rss", encoding: .utf8)
                    let kibibytes = try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
                    #expect(kibibytes < 200 << 10, "\(side)")
                }
            }
        }

        // MARK: - Ends before their time

        /// With stream management the server could not tell, for some time, who is dead from who changes networks.
        @Test(arguments: [("bob", "tcp"), ("alice", "tcp"), ("bob", "socks5"), ("alice", "socks5")])
        func peerIsKilledInTheMiddle(victim: String, path: String) async throws {
            try await World.with(.lan, server: ["--components", "--no-smacks"]) { world in
                let got = world.folder.appending(path: "got")
                let pair = try await Self.pair(
                    in: world, bob: "exec \"$@\" </dev/null >\(got.path)", alice: "exec \"$@\" </dev/zero",
                    opening: ["--path", path])
                try await world.waitForBytes(100_000, in: got)
                let (victim, other) = victim == "bob" ? (pair.listener, pair.opener) : (pair.opener, pair.listener)
                victim.signal(SIGKILL)
                let exit = try await other.exit()
                #expect(exit.status == 7, "\(exit.messages)")
            }
        }

        /// Nobody reads any more: whoever still writes learns it, and the other direction goes on to its end.
        @Test func outputIsClosed() async throws {
            try await World.with(.lan) { world in
                let file = try world.makeFile(byteCount: 2_000_000)
                let got = world.folder.appending(path: "got").path
                let pair = try await Self.pair(
                    in: world, bob: "\"$@\" <\(file.path) | head -c 10; exit ${PIPESTATUS[0]}",
                    alice: "exec \"$@\" </dev/zero >\(got)")
                let opened = try await pair.opener.exit()
                let listened = try await pair.listener.exit()
                #expect(opened.status == 7, "\(opened.messages)")
                #expect(opened.messages.contains("takes no more"), "\(opened.messages)")
                #expect(listened.status == 9, "\(listened.messages)")
                #expect(FileManager.default.contentsEqual(atPath: file.path, andPath: got))
            }
        }

        @Test func interruption() async throws {
            try await World.with(.lan) { world in
                let got = world.folder.appending(path: "got")
                let pair = try await Self.pair(
                    in: world, bob: "exec \"$@\" </dev/null >\(got.path)", alice: "exec \"$@\" </dev/zero")
                try await world.waitForBytes(100_000, in: got)
                pair.opener.signal(SIGINT)
                #expect(try await pair.opener.exit().status == 130, "\(pair.opener.messages)")
                #expect(try await pair.listener.exit().status == 7, "\(pair.listener.messages)")
            }
        }

        // MARK: - Who gets what

        /// A file is for who waits for files and a stream for who waits for streams, whoever waits beside them.
        @Test func filesAndStreamsAreKeptApart() async throws {
            try await World.with(.lan) { world in
                let receiver = try await world.receiver()
                let file = try world.makeFile(byteCount: 1000)
                let got = world.folder.appending(path: "got").path
                let listener = try await world.pipeListener(
                    ["--resource", "pipe"], script: "exec \"$@\" </dev/null >\(got)")
                let refusedFile = try await world.sender(of: [file], to: "bob@sleigh.test/pipe").exit()
                #expect(refusedFile.status == 4, "\(refusedFile.messages)")

                let opener = try world.pipe(script: "echo hello | \"$@\"")
                #expect(try await opener.exit().status == 0, "\(opener.messages)")
                #expect(try await listener.exit().status == 0, "\(listener.messages)")
                #expect(try String(contentsOfFile: got, encoding: .utf8) == "hello\n")

                let sender = try world.sender(of: [file])
                #expect(try await sender.exit().status == 0, "\(sender.messages)")
                #expect(try await receiver.exit().status == 0, "\(receiver.messages)")
            }
        }

        /// The one who was not named is declined, and the listener goes on waiting for the one who was.
        @Test func othersAreDeclined() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.pipeListener(
                    ["--from", "alice@sleigh.test"], script: "exec \"$@\" </dev/null", accepting: [])
                let refused = try await world.pipe(script: "echo no | \"$@\"", as: "carol").exit()
                #expect(refused.status == 5, "\(refused.messages)")
                let opener = try world.pipe(script: "echo yes | \"$@\"")
                #expect(try await opener.exit().status == 0, "\(opener.messages)")
                let exit = try await listener.exit()
                #expect(exit.status == 0 && exit.output == "yes\n", "\(exit)")
            }
        }

        // MARK: - Other programs

        /// What cannot be connected to fails for this one alone; the listener goes on.
        @Test func listenerConnectsToSockets() async throws {
            try await World.with(.lan) { world in
                let socket = world.folder.appending(path: "s").path
                let listener = try await world.pipeListener(["--connect", "unix:\(socket)"])
                let early = try await world.pipe(script: "echo hello | \"$@\"").exit()
                #expect(early.status == 1, "\(early.messages)")
                let server = try Program(
                    ["bash", "-c", "exec nc -N -lU \(socket) </etc/hostname >\(world.folder.path)/got"],
                    named: "nc", folder: world.folder)
                try await wait(for: "socket") { FileManager.default.fileExists(atPath: socket) }
                let opened = try await world.pipe(script: "echo hello | \"$@\"").exit()
                #expect(opened.status == 0, "\(opened.messages)\(listener.messages)")
                #expect(opened.output == (try String(contentsOfFile: "/etc/hostname", encoding: .utf8)))
                #expect(try await server.exit().status == 0)
                #expect(try String(contentsOf: world.folder.appending(path: "got"), encoding: .utf8) == "hello\n")
                #expect(listener.isRunning)
            }
        }

        @Test func sshThroughAPipe() async throws {
            try await World.with(.lan) { world in
                let server = try await world.startSSHServer()
                let listener = try await world.pipeListener(["--connect", "127.0.0.1:2222"])
                let file = try world.makeFile(byteCount: 3_000_001)
                let digest = try await world.shell("sha256sum <\(file.path)")
                for _ in 0..<2 {
                    let client = try world.pipe(
                        script: "ssh -F none -i \(world.folder.path)/key -o IdentitiesOnly=yes -o BatchMode=yes "
                            + "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
                            + "-o ProxyCommand=\"$*\" root@bob sha256sum <\(file.path)")
                    let exit = try await client.exit()
                    #expect(exit.status == 0, "\(exit.messages)\(server.messages)\(listener.messages)")
                    #expect(exit.output == digest)
                }
                #expect(listener.isRunning)
                server.signal(SIGTERM)
                _ = try await server.exit()
            }
        }
    }
}

extension World {
    /// Starts `sleigh pipe --listen` on host b, as bob unless told otherwise, and waits until it is ready.
    ///
    /// - Parameter script: bash that runs `"$@"`.
    func pipeListener(
        _ arguments: [String] = [], script: String = "exec \"$@\" </dev/null",
        accepting: [String] = ["--yes"], as account: String = "bob"
    ) async throws -> Program {
        let program = try sleigh(
            "pipe", ["--listen"] + accepting + arguments, on: .b, as: account, before: ["bash", "-c", script, "bash"])
        try await wait(for: "listener") { program.messages.contains("Waiting as") || !program.isRunning }
        try #require(program.isRunning, "\(program.messages)")
        return program
    }

    /// Starts `sleigh pipe` to bob, as alice on host a unless told otherwise.
    func pipe(
        _ arguments: [String] = [], script: String, to peer: String = "bob@sleigh.test", as account: String = "alice"
    ) throws -> Program {
        try sleigh(
            "pipe", [peer] + arguments, on: .a, as: account, before: ["bash", "-c", script, "bash"])
    }

    func waitForBytes(_ count: Int, in file: URL) async throws {
        try await wait(for: "\(count) bytes") {
            let attributes = try? FileManager.default.attributesOfItem(atPath: file.path)
            return (attributes?[.size] as? Int ?? 0) >= count
        }
    }

    /// What a command of the shell prints.
    func shell(_ script: String) async throws -> String {
        let program = try Program(["bash", "-c", script], named: "shell-\(UUID().uuidString)", folder: folder)
        return try await program.exit().output
    }

    /// Starts a real sshd on port 2222 of host b's loopback, which takes the key `key` in the world's folder.
    func startSSHServer() async throws -> Program {
        let path = folder.path
        _ = try await shell(
            """
            ssh-keygen -q -t ed25519 -N '' -f \(path)/key && ssh-keygen -q -t ed25519 -N '' -f \(path)/host-key
            cp \(path)/key.pub \(path)/authorized; mkdir -p /run/sshd
            """)
        let options = [
            "HostKey=\(path)/host-key", "AuthorizedKeysFile=\(path)/authorized", "ListenAddress=127.0.0.1:2222",
            "PidFile=none", "StrictModes=no", "UsePAM=no", "PermitRootLogin=prohibit-password",
        ]
        let server = try Program(
            ["ip", "netns", "exec", "\(prefix)b", "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null"]
                + options.flatMap { ["-o", $0] },
            named: "sshd", folder: folder)
        try await wait(for: "sshd") { server.messages.contains("listening") || !server.isRunning }
        try #require(server.isRunning, "\(server.messages)")
        return server
    }
}
