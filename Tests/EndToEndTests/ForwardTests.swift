import Foundation
import Testing

extension EndToEnd {
    /// `sleigh forward`: connections of other programs, over one session.
    @Suite("Forwards")
    struct Forwards {
        /// A path to take, and what it is called.
        static let paths = [
            ("udp", "direct udp"), ("tcp", "direct tcp"), ("socks5", "socks5 direct"), ("in-band", "in-band"),
        ]

        // MARK: - What ssh can do too

        /// Each program sees the end of its input, and answers only then: both directions end on their own, both ways.
        @Test(arguments: paths)
        func connectionsGoBothWays(path: String, name: String) async throws {
            try await World.with(.lan, server: ["--components"]) { world in
                let file = try world.makeFile(byteCount: path == "in-band" ? 300_001 : 3_000_001)
                let digest = try await world.digest(of: file)
                let servers = [
                    try await world.digestServer(on: .b, at: "7001"), try await world.digestServer(on: .a, at: "7002"),
                ]
                let listener = try await world.forwardListener(["--allow", "127.0.0.1:*", "--allow-listen", "8002"])
                let client = try await world.forward([
                    "-L", "8001:127.0.0.1:7001", "-R", "8002:127.0.0.1:7002", "--path", path, "-v",
                ])
                #expect(client.messages.contains(name), "\(client.messages)")
                for _ in 0..<2 {
                    #expect(try await world.exchange(file, on: .a, with: "127.0.0.1 8001") == digest)
                    #expect(try await world.exchange(file, on: .b, with: "127.0.0.1 8002") == digest)
                }
                client.signal(SIGINT)
                #expect(try await client.exit().status == 130, "\(client.messages)")
                #expect(listener.isRunning && servers.allSatisfy(\.isRunning), "\(listener.messages)")
            }
        }

        /// Neither host can be reached from outside, and no UDP gets through: the bytes go through the server, by its proxy
        /// or in-band, in the streams of one stream.
        @Test(arguments: [("socks5", "socks5 proxy", 1_000_001), ("in-band", "in-band", 100_001)])
        func throughTheServer(path: String, name: String, byteCount: Int) async throws {
            try await World.with(.udpBlockedOnBothSides, server: ["--components"]) { world in
                let file = try world.makeFile(byteCount: byteCount)
                let digest = try await world.digest(of: file)
                let server = try await world.digestServer(on: .b, at: "7001")
                let listener = try await world.forwardListener(["--allow", "127.0.0.1:*"])
                let client = try await world.forward(["-L", "8001:127.0.0.1:7001", "--path", path, "-v"])
                #expect(client.messages.contains(name), "\(client.messages)")
                // Both at once.
                async let first = world.exchange(file, on: .a, with: "127.0.0.1 8001")
                async let second = world.exchange(file, on: .a, with: "127.0.0.1 8001")
                #expect(try await [first, second] == [digest, digest])
                client.signal(SIGINT)
                #expect(try await client.exit().status == 130, "\(client.messages)")
                #expect(listener.isRunning && server.isRunning, "\(listener.messages)")
            }
        }

        @Test(arguments: paths.dropLast())
        func standardInputAndOutput(path: String, name: String) async throws {
            try await World.with(.lan, server: ["--components"]) { world in
                let file = try world.makeFile(byteCount: 3_000_001)
                let server = try await world.digestServer(on: .b, at: "7001")
                let listener = try await world.forwardListener(["--allow", "127.0.0.1:7001"])
                let program = try world.sleigh(
                    "forward", ["--stdio", "127.0.0.1:7001", "bob@sleigh.test", "--path", path], on: .a, as: "alice",
                    before: ["bash", "-c", "exec \"$@\" <\(file.path)", "bash"])
                let exit = try await program.exit()
                #expect(exit.status == 0, "\(exit.messages)\(listener.messages)")
                #expect(exit.output == (try await world.digest(of: file)))
                #expect(server.isRunning)
            }
        }

        /// A Unix socket at either end, with a port at the other, and nobody else can use it.
        @Test func unixSockets() async throws {
            try await World.with(.lan) { world in
                let file = try world.makeFile(byteCount: 100_001)
                let digest = try await world.digest(of: file)
                let sockets = ["1", "2", "3"].map { world.folder.appending(path: $0).path }
                let servers = [
                    try await world.digestServer(on: .b, at: sockets[0]),
                    try await world.digestServer(on: .b, at: "7001"),
                ]
                let listener = try await world.forwardListener([
                    "--allow", "unix:\(sockets[0])", "--allow", "localhost:7001",
                ])
                let client = try await world.forward([
                    "-L", "8001:\(sockets[0])", "-L", "\(sockets[1]):localhost:7001", "-L",
                    "\(sockets[2]):\(sockets[0])",
                ])
                for target in ["127.0.0.1 8001", "-U \(sockets[1])", "-U \(sockets[2])"] {
                    #expect(try await world.exchange(file, on: .a, with: target) == digest, "\(target)")
                }
                let attributes = try FileManager.default.attributesOfItem(atPath: sockets[1])
                #expect(attributes[.posixPermissions] as? Int == 0o600)
                client.signal(SIGTERM)
                _ = try await client.exit()
                #expect(!FileManager.default.fileExists(atPath: sockets[1]))
                #expect(listener.isRunning && servers.allSatisfy(\.isRunning))
            }
        }

        // MARK: - Many

        /// One whose program reads nothing, while 200 others come and go.
        @Test(arguments: paths.prefix(3))
        func manyConnectionsWithOneStalled(path: String, name: String) async throws {
            try await World.with(.lan, server: ["--components"]) { world in
                let servers = [
                    try await world.digestServer(on: .b, at: "7001"), try await world.stalledServer(on: .b, at: "7002"),
                ]
                let listener = try await world.forwardListener(["--allow", "127.0.0.1:*"])
                let client = try await world.forward([
                    "-L", "8001:127.0.0.1:7001", "-L", "8002:127.0.0.1:7002", "--path", path,
                ])
                let stalled = try world.python(
                    on: .a,
                    """
                    import socket, time
                    s = socket.create_connection(("127.0.0.1", 8002)); s.settimeout(3); n = 0
                    try:
                        while True: n += s.send(bytes(1 << 16))
                    except TimeoutError: print("full", n, flush=True)
                    time.sleep(600)
                    """)
                try await wait(for: "stalled connection") { stalled.output.contains("full") || !stalled.isRunning }
                let load = try world.python(
                    on: .a,
                    """
                    import hashlib, os, socket
                    connections = [socket.create_connection(("127.0.0.1", 8001)) for _ in range(200)]
                    contents = [os.urandom(20000 + i) for i in range(200)]
                    # All are open at once, and each is half-closed before any answer is read.
                    for c, b in zip(connections, contents): c.sendall(b); c.shutdown(socket.SHUT_WR)
                    for c, b in zip(connections, contents):
                        answer = b""
                        while part := c.recv(100): answer += part
                        assert answer.split()[0].decode() == hashlib.sha256(b).hexdigest()
                    print("all")
                    """)
                let exit = try await load.exit(within: .seconds(120))
                #expect(exit.output == "all\n", "\(exit.messages)\(client.messages)\(listener.messages)")
                #expect(stalled.isRunning && servers.allSatisfy(\.isRunning), "\(stalled.messages)")
            }
        }

        // MARK: - Who gets what

        /// Whoever is not allowed learns it, and so does the one who does not allow it.
        @Test func whatIsNotAllowedIsRefused() async throws {
            try await World.with(.lan) { world in
                let server = try await world.digestServer(on: .b, at: "7002")
                let listener = try await world.forwardListener(["--allow", "127.0.0.1:7001", "--allow-listen", "8003"])
                let client = try await world.forward(["-L", "8001:127.0.0.1:7001", "-L", "8002:127.0.0.1:7002"])
                // Allowed, but nobody is there; and not allowed, though somebody is.
                let file = try world.makeFile(byteCount: 10)
                for port in ["8001", "8002"] {
                    #expect(try await world.exchange(file, on: .a, with: "127.0.0.1 \(port)") == "")
                }
                try await wait(for: "messages") { client.messages.contains("127.0.0.1:7002") }
                #expect(client.messages.contains("127.0.0.1:7001: it cannot be reached there"), "\(client.messages)")
                #expect(client.messages.contains("127.0.0.1:7002: it is not allowed there"), "\(client.messages)")
                #expect(listener.messages.contains("alice@sleigh.test/"), "\(listener.messages)")
                #expect(listener.messages.contains("may not connect to 127.0.0.1:7002"), "\(listener.messages)")

                let exit = try await world.sleigh(
                    "forward", ["-R", "0.0.0.0:8003:127.0.0.1:7001", "bob@sleigh.test"], on: .a, as: "alice"
                ).exit()
                #expect(exit.status == 5, "\(exit.messages)")
                #expect(listener.messages.contains("may not listen at 0.0.0.0:8003"), "\(listener.messages)")
                let stdio = try await world.sleigh(
                    "forward", ["--stdio", "127.0.0.1:7002", "bob@sleigh.test"], on: .a, as: "alice"
                ).exit()
                #expect(stdio.status == 5, "\(stdio.messages)")
                #expect(server.isRunning)
            }
        }

        @Test func othersAreDeclined() async throws {
            try await World.with(.lan) { world in
                let listener = try await world.forwardListener(
                    ["--allow", "127.0.0.1:7001", "--from", "carol@sleigh.test"], accepting: [])
                let exit = try await world.sleigh(
                    "forward", ["-L", "8001:127.0.0.1:7001", "bob@sleigh.test"], on: .a, as: "alice"
                ).exit()
                #expect(exit.status == 5, "\(exit.messages)")
                #expect(listener.isRunning)
            }
        }

        /// A port that is taken is found out before anybody is asked.
        @Test func portInUse() async throws {
            try await World.with(.lan) { world in
                let server = try await world.digestServer(on: .a, at: "8001")
                let exit = try await world.sleigh(
                    "forward", ["-L", "8001:127.0.0.1:7001", "bob@sleigh.test"], on: .a, as: "alice"
                ).exit()
                #expect(exit.status == 9, "\(exit.messages)")
                #expect(exit.messages.contains("localhost:8001"), "\(exit.messages)")
                #expect(server.isRunning)
            }
        }

        // MARK: - What comes and goes

        /// The listening side is killed and started again: forwards work again, and nobody has done anything about it.
        @Test(arguments: paths.prefix(2))
        func listenerIsRestarted(path: String, name: String) async throws {
            try await World.with(.lan) { world in
                let server = try await world.digestServer(on: .b, at: "7001")
                let rules = ["--allow", "127.0.0.1:7001"]
                let first = try await world.forwardListener(rules)
                let client = try await world.forward(["-L", "8001:127.0.0.1:7001", "--path", path])
                let file = try world.makeFile(byteCount: 1000)
                let digest = try await world.digest(of: file)
                #expect(try await world.exchange(file, on: .a, with: "127.0.0.1 8001") == digest)
                first.signal(SIGINT)
                _ = try await first.exit()
                _ = try await client.event("disconnected")
                let second = try await world.forwardListener(rules)
                _ = try await client.event("forwarding", number: 2, within: .seconds(60))
                #expect(try await world.exchange(file, on: .a, with: "127.0.0.1 8001") == digest)
                #expect(client.isRunning && second.isRunning && server.isRunning)
            }
        }

        /// The path needs no server any more; and once the server is back, both sides can be reached again while the old
        /// connections go on.
        @Test func serverGoesAwayAndComesBack() async throws {
            try await World.with(.lan) { world in
                let server = try await world.digestServer(on: .b, at: "7001")
                let listener = try await world.forwardListener(["--allow", "127.0.0.1:7001"])
                let client = try await world.forward(["-L", "8001:127.0.0.1:7001"])
                try await world.stopServer()
                let file = try world.makeFile(byteCount: 1000)
                let digest = try await world.digest(of: file)
                #expect(try await world.exchange(file, on: .a, with: "127.0.0.1 8001") == digest)
                try await world.startServer()
                _ = try await listener.event("ready", number: 2, within: .seconds(60))
                let other = try world.sleigh(
                    "forward", ["--stdio", "127.0.0.1:7001", "bob@sleigh.test"], on: .a, as: "carol",
                    before: ["bash", "-c", "exec \"$@\" <\(file.path)", "bash"])
                let exit = try await other.exit()
                #expect(exit.status == 0 && exit.output == digest, "\(exit.messages)")
                #expect(try await world.exchange(file, on: .a, with: "127.0.0.1 8001") == digest)
                #expect(client.isRunning && listener.isRunning && server.isRunning, "\(listener.messages)")
            }
        }

        /// One process that takes files and forwards.
        @Test func receiverForwardsToo() async throws {
            try await World.with(.lan) { world in
                let server = try await world.digestServer(on: .b, at: "7001")
                let receiver = try await world.receiver(["--yes", "--allow-forward", "127.0.0.1:7001"])
                let client = try await world.forward(["-L", "8001:127.0.0.1:7001"])
                let file = try world.makeFile(byteCount: 100_000)
                #expect(
                    try await world.exchange(file, on: .a, with: "127.0.0.1 8001") == (try await world.digest(of: file))
                )
                #expect(try await world.sender(of: [file]).exit().status == 0)
                world.expectReceived(file)
                #expect(client.isRunning && receiver.isRunning && server.isRunning)
            }
        }
    }
}
