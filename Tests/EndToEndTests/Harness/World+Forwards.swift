import Foundation
import Testing

extension World {
    /// Starts `sleigh forward --listen` as bob on host b, and waits until it is ready.
    func forwardListener(_ arguments: [String], accepting: [String] = ["--yes"]) async throws -> Program {
        let program = try sleigh("forward", ["--listen", "--json"] + accepting + arguments, on: .b, as: "bob")
        _ = try await program.event("ready")
        return program
    }

    /// Starts `sleigh forward` to bob as alice on host a, and waits until connections are forwarded.
    func forward(_ arguments: [String]) async throws -> Program {
        let program = try sleigh("forward", ["bob@sleigh.test", "--json"] + arguments, on: .a, as: "alice")
        _ = try await program.event("forwarding")
        return program
    }

    /// Starts a program in Python on a host.
    func python(on host: Host, _ script: String) throws -> Program {
        try Program(
            ["ip", "netns", "exec", prefix + host.rawValue, "python3", "-c", script],
            named: "python-\(UUID().uuidString)", folder: folder)
    }

    /// Starts a server on a host that reads each connection to its end and then answers with the digest.
    func digestServer(on host: Host, at place: String) async throws -> Program {
        try await server(
            on: host, at: place,
            handling: "h = hashlib.sha256(self.rfile.read()); "
                + "self.wfile.write((h.hexdigest() + '  -\\n').encode())")
    }

    /// Starts a server on a host that sends back what comes.
    func echoServer(on host: Host, at place: String) async throws -> Program {
        try await server(
            on: host, at: place,
            handling: "[self.wfile.write(part) for part in iter(lambda: self.rfile.read1(65536), b'')]"
        )
    }

    /// Starts a server on a host that reads nothing.
    func stalledServer(on host: Host, at place: String) async throws -> Program {
        try await server(on: host, at: place, handling: "time.sleep(600)")
    }

    private func server(on host: Host, at place: String, handling: String) async throws -> Program {
        let program = try python(
            on: host,
            """
            import hashlib, socketserver, time
            class Handler(socketserver.StreamRequestHandler):
                def handle(self): \(handling)
            class Server(\(place.hasPrefix("/") ? "socketserver.ThreadingUnixStreamServer" : "socketserver.ThreadingTCPServer")):
                request_queue_size = 256; daemon_threads = True; allow_reuse_address = True
            server = Server(\(place.hasPrefix("/") ? "'\(place)'" : "('127.0.0.1', \(place))"), Handler)
            print("ready", flush=True)
            server.serve_forever()
            """)
        try await wait(for: "server") { program.output.contains("ready") || !program.isRunning }
        try #require(program.isRunning, "\(program.messages)")
        return program
    }

    /// Starts a shell on a host.
    func shell(on host: Host, _ script: String) throws -> Program {
        try Program(
            ["ip", "netns", "exec", prefix + host.rawValue, "bash", "-c", script], named: "shell-\(UUID().uuidString)",
            folder: folder)
    }

    /// Sends a file to a server and ends that direction; what it answers.
    func exchange(_ file: URL, on host: Host, with place: String) async throws -> String {
        try await shell(on: host, "exec nc -N \(place) <\(file.path)").exit(within: .seconds(60)).output
    }

    func digest(of file: URL) async throws -> String {
        let program = try Program(
            ["bash", "-c", "sha256sum <\(file.path)"], named: "sha256sum-\(UUID().uuidString)", folder: folder)
        return try await program.exit().output
    }
}
