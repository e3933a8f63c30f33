import Foundation
import ICE

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

    struct NotStarted: Error {}

    let port: UInt16
    private let process = Process()
    private let folder: URL

    /// Starts a coturn.
    ///
    /// - Parameter lifetimeSeconds: how long a relayed address stays unless it is refreshed; `nil` for the usual ten minutes.
    init(lifetimeSeconds: Int? = nil) throws {
        port = try SilentPort().port
        folder = FileManager.default.temporaryDirectory.appending(path: "sleigh-turn-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let configuration = """
            listening-ip=127.0.0.1
            relay-ip=127.0.0.1
            listening-port=\(port)
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
        process.executableURL = URL(filePath: Self.program)
        process.arguments = ["-c", file.path]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        try waitUntilListening()
    }

    deinit {
        // Under the signal mask that it inherits from the test process coturn never sees SIGTERM.
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        try? FileManager.default.removeItem(at: folder)
    }

    func server(_ transport: TURNServer.Transport, password: String = TURNRelay.password) -> TURNServer {
        TURNServer(host: "127.0.0.1", port: port, transport: transport, username: Self.username, password: password)
    }

    /// Dials until somebody accepts, for up to ten seconds.
    private func waitUntilListening() throws {
        guard let address = ICEAddress(ip: "127.0.0.1", port: port) else { throw NotStarted() }
        for _ in 0..<1000 {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var storage = address.socketAddress
            let isAccepted = withUnsafeBytes(of: &storage) {
                connect(
                    descriptor, $0.bindMemory(to: sockaddr.self).baseAddress,
                    socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
            if isAccepted { return }
            usleep(10_000)
        }
        throw NotStarted()
    }
}
