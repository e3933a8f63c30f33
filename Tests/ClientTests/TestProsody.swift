import Foundation
import TestSupport
import Testing

/// A real Prosody on the loopback interface, with a throw-away authority and accounts, for one suite.
///
/// Its hosts differ in what they offer: `modern.test` SCRAM-SHA-256 and -PLUS with TLS 1.3, `old.test` TLS 1.2 only,
/// `sha1.test` SCRAM-SHA-1, `plain.test` only PLAIN, `wrong.test` a certificate for another name, `resumable.test`
/// streams that can be resumed, `forgetful.test` such for a second. Each has the accounts alice and bob with the
/// password `pencil`.
final class TestProsody: Sendable {
    static let hosts = [
        "modern.test", "old.test", "sha1.test", "plain.test", "wrong.test", "resumable.test", "forgetful.test",
    ]

    let folder: URL
    private let process: ServerProcess

    @TaskLocal static var running: TestProsody?

    static var isInstalled: Bool {
        ["/usr/bin/prosody", "/usr/bin/openssl"].allSatisfy {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    init() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "sleigh-prosody-\(UUID().uuidString)")
        self.folder = folder
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Self.makeCertificates(in: folder)
        try Self.makeAccounts(in: folder)
        process = try await ServerProcess.start { ports in
            let (port, directPort) = (ports.lowerBound, ports.lowerBound + 1)
            let configuration = folder.appending(path: "prosody.cfg.lua")
            try Self.configuration(folder: folder, port: port, directPort: directPort)
                .write(to: configuration, atomically: true, encoding: .utf8)
            return .init(
                ["/usr/bin/prosody", "-F", "--config", configuration.path],
                log: folder.appending(path: "prosody.log"), tcpPorts: [port, directPort])
        }
    }

    var port: Int { Int(process.ports.lowerBound) }
    var directPort: Int { port + 1 }

    struct Failure: Error {
        var what: String
    }

    var authorityFile: String { folder.appending(path: "ca.pem").path }

    /// What Prosody has written so far, at its debug level.
    var log: String { process.log }

    /// Makes Prosody stand still, or go on.
    func pause() { process.signal(SIGSTOP) }
    func resume() { process.signal(SIGCONT) }

    func stop() {
        process.stop()
        try? FileManager.default.removeItem(at: folder)
    }

    private static func configuration(folder: URL, port: UInt16, directPort: UInt16) -> String {
        let plugins = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Prosody")
            .path
        var text = """
            run_as_root = \(getuid() == 0)
            pidfile = "\(folder.path)/prosody.lock"
            data_path = "\(folder.path)/data"
            plugin_paths = { "\(plugins)" }
            log = { { levels = { min = "debug" }, to = "file", filename = "\(folder.path)/prosody.log" } }
            modules_enabled = {
                "roster", "saslauth", "tls", "disco", "ping", "carbons", "turn_external", "tls_exporter"
            }
            modules_disabled = { "s2s" }
            interfaces = { "127.0.0.1" }
            c2s_ports = { \(port) }
            c2s_direct_tls_ports = { \(directPort) }
            c2s_require_encryption = true
            authentication = "internal_plain"
            conflict_resolve = "kick_old"
            certificates = "\(folder.path)"
            turn_external_host = "127.0.0.1"
            turn_external_secret = "secret"
            """
        for host in hosts {
            let name = host == "wrong.test" ? "modern.test" : host
            var tls = "key = \"\(folder.path)/\(name).key\", certificate = \"\(folder.path)/\(name).crt\""
            if host == "old.test" { tls += ", protocol = \"tlsv1_2\"" }
            text += "\nVirtualHost \"\(host)\"\n    ssl = { \(tls) }\n"
            let scram256 = "\"SCRAM-SHA-256\", \"SCRAM-SHA-256-PLUS\""
            switch host {
            case "sha1.test":
                text += "    disable_sasl_mechanisms = { \(scram256), \"SCRAM-SHA-1-PLUS\" }\n"
            case "plain.test":
                text +=
                    "    disable_sasl_mechanisms = { \(scram256), \"SCRAM-SHA-1\", \"SCRAM-SHA-1-PLUS\" }\n"
            case "resumable.test": text += "    modules_enabled = { \"smacks\" }\n"
            case "forgetful.test": text += "    modules_enabled = { \"smacks\" }\n    smacks_hibernation_time = 1\n"
            default: break
            }
        }
        return text
    }

    private static func makeAccounts(in folder: URL) throws {
        for host in hosts {
            let accounts = folder.appending(path: "data/\(host.replacing(".", with: "%2e"))/accounts")
            try FileManager.default.createDirectory(at: accounts, withIntermediateDirectories: true)
            for name in ["alice", "bob"] {
                try "return { [\"password\"] = \"pencil\" };".write(
                    to: accounts.appending(path: "\(name).dat"), atomically: true, encoding: .utf8)
            }
        }
    }

    private static func makeCertificates(in folder: URL) throws {
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"]
        try openssl(
            folder,
            ["req", "-x509"] + key + [
                "-days", "2", "-subj", "/CN=Test", "-keyout", "ca.key", "-out", "ca.pem",
            ])
        for host in hosts {
            let names = folder.appending(path: "\(host).ext")
            try "subjectAltName=DNS:\(host)\nbasicConstraints=critical,CA:FALSE\n"
                .write(to: names, atomically: true, encoding: .utf8)
            try openssl(
                folder,
                ["req"] + key + ["-subj", "/CN=\(host)", "-keyout", "\(host).key", "-out", "csr.pem"])
            try openssl(
                folder,
                ["x509", "-req", "-days", "2", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key"]
                    + ["-CAcreateserial", "-extfile", names.path, "-out", "\(host).crt"])
        }
    }

    private static func openssl(_ folder: URL, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(what: "openssl \(arguments)") }
    }
}

/// Runs a suite with a Prosody of its own.
struct ProsodyTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let prosody = try await TestProsody()
        defer { prosody.stop() }
        try await TestProsody.$running.withValue(prosody) { try await function() }
    }
}

extension Trait where Self == ProsodyTrait {
    static var prosody: Self { ProsodyTrait() }
}
