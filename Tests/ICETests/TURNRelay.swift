import Foundation
import ICE
import TestSupport

/// A coturn on loopback with a throw-away configuration, ended when this object goes.
final class TURNRelay {
    static let username = "tester"
    static let password = "a-secret-of-the-test"
    static let program = "/usr/bin/turnserver"

    static var isInstalled: Bool {
        let isInstalled = FileManager.default.isExecutableFile(atPath: program)
        if !isInstalled { print("coturn is not installed: the relay tests are skipped") }
        return isInstalled
    }

    private let process: ServerProcess
    private let folder: URL

    /// Starts a coturn.
    ///
    /// - Parameters:
    ///   - lifetimeSeconds: how long a relayed address stays unless it is refreshed; `nil` for the usual ten minutes.
    ///   - taken: a port that cannot be had, which is tried first.
    init(lifetimeSeconds: Int? = nil, trying taken: UInt16? = nil) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sleigh-turn-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        self.folder = folder
        var taken = taken
        process = try await ServerProcess.start { ports in
            let port = taken ?? ports.lowerBound
            taken = nil
            let configuration = """
                listening-ip=127.0.0.1
                relay-ip=127.0.0.1
                listening-port=\(port)
                min-port=\(ports.lowerBound + 1)
                max-port=\(ports.upperBound - 1)
                lt-cred-mech
                user=\(Self.username):\(Self.password)
                realm=test.invalid
                allow-loopback-peers
                no-tls
                no-dtls
                no-cli
                log-file=stdout
                pidfile=\(folder.path)/pid
                userdb=\(folder.path)/db
                \(lifetimeSeconds.map { "max-allocate-lifetime=\($0)" } ?? "")
                """
            let file = folder.appending(path: "turnserver.conf")
            try configuration.write(to: file, atomically: true, encoding: .utf8)
            return .init(
                [Self.program, "-c", file.path], log: folder.appending(path: "log"), tcpPorts: [port], udpPorts: [port])
        }
    }

    /// Ends it at once.
    func stop() { process.stop() }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    var port: UInt16 { process.ports.lowerBound }

    func server(_ transport: TURNServer.Transport, password: String = TURNRelay.password) -> TURNServer {
        TURNServer(host: "127.0.0.1", port: port, transport: transport, username: Self.username, password: password)
    }
}
