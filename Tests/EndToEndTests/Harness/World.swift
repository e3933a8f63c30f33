import Foundation
import Testing

/// Two hosts, a server with Prosody and coturn, and a folder for everything they write.
///
/// `Scripts/network` and `Scripts/lab` build it, for the demonstration and the benchmark too.
struct World {
    let topology: Topology
    let folder: URL
    let prefix: String

    static let packageFolder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    /// Where the build put this test, sleigh and the link emulator.
    private static let productsFolder = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()

    /// Builds a world for `body` and removes it afterwards, whatever happens; first, what crashed runs have left.
    ///
    /// - Parameters:
    ///   - link: options of the link emulator, for the topology `.link`.
    ///   - server: options of `Scripts/lab write`.
    static func with(
        _ topology: Topology, link: [String] = [], server: [String] = [], body: (World) async throws -> Void
    ) async throws {
        try await script("network", "sweep")
        try sweepFolders()
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "\(folderPrefix)\(getpid())-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let world = World(topology: topology, folder: folder, prefix: "sl-\(getpid())-")
        do {
            try await world.build(link: link, server: server)
            try await body(world)
        } catch {
            try? await world.remove()
            throw error
        }
        try await world.remove()
    }

    private static let folderPrefix = "sleigh-world-"

    private static func sweepFolders() throws {
        let parent = FileManager.default.temporaryDirectory
        for name in try FileManager.default.contentsOfDirectory(atPath: parent.path) where name.hasPrefix(folderPrefix)
        {
            let owner = name.dropFirst(folderPrefix.count).prefix { $0.isNumber }
            guard !FileManager.default.fileExists(atPath: "/proc/\(owner)") else { continue }
            try FileManager.default.removeItem(at: parent.appending(path: name))
        }
    }

    private func build(link: [String], server: [String]) async throws {
        try await Self.script("network", ["up", topology.rawValue, prefix] + link)
        let ports = [
            "--address", topology.serverAddress, "--xmpp-port", "5222", "--turn-port", "3478",
            "--proxy-port", "\(Self.proxyPort)",
        ]
        try await Self.script("lab", ["write", folder.path] + ports + server)
        try await startServer()
    }

    /// Starts Prosody and coturn, which a new world does by itself.
    func startServer() async throws {
        try await run(in: "server", [Self.path(ofScript: "lab"), "start", folder.path])
    }

    /// Ends Prosody and coturn at once, as a failing host does.
    func stopServer() async throws {
        try await Self.script("lab", "stop", folder.path)
    }

    /// What Prosody has logged, with every stanza if the module `record_stanzas` is loaded.
    var serverLog: [Substring] {
        get throws {
            try String(decoding: Data(contentsOf: folder.appending(path: "prosody.log")), as: UTF8.self)
                .split(separator: "\n")
        }
    }

    private func remove() async throws {
        try await Self.script("network", "down", prefix)
        try FileManager.default.removeItem(at: folder)
    }

    private static func path(ofScript name: String) -> String { packageFolder.appending(path: "Scripts/\(name)").path }

    @discardableResult
    static func script(_ name: String, _ arguments: String...) async throws -> String {
        try await script(name, arguments)
    }

    @discardableResult
    private static func script(_ name: String, _ arguments: [String]) async throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sleigh-script-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let environment = ["LINK_EMULATOR": productsFolder.appending(path: "LinkEmulator").path]
        let program = try Program(
            [path(ofScript: name)] + arguments, named: name, environment: environment, folder: folder)
        return try await succeed(program)
    }

    private static func succeed(_ program: Program) async throws -> String {
        let exit = try await program.exit()
        guard exit.status == 0 else {
            throw TimedOut(description: "\(program.arguments) failed: \(exit.output)\(exit.messages)")
        }
        return exit.output
    }

    private func run(in namespace: String, _ arguments: [String]) async throws {
        let program = try Program(
            ["ip", "netns", "exec", prefix + namespace] + arguments, named: "run-\(namespace)", folder: folder)
        _ = try await Self.succeed(program)
    }

    /// What the server has received and sent since the world was built, over every protocol.
    var serverByteCount: Int {
        get async throws {
            let text = try await Self.script("network", "bytes", prefix)
            return try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        }
    }
}

// MARK: - sleigh

extension World {
    /// The program under test.
    var sleighBinary: String {
        ProcessInfo.processInfo.environment["SLEIGH_BINARY"] ?? Self.productsFolder.appending(path: "sleigh").path
    }

    /// Starts sleigh on a host, with a home and a state folder for each account.
    ///
    /// - Parameters:
    ///   - account: the name of an account of the server, whose password file is given; `nil` for none.
    ///   - before: a command that runs the command that follows it.
    ///   - terminal: where somebody sits, if anybody does.
    func sleigh(
        _ command: String, _ arguments: [String], on host: Host, as account: String?, trusting: Bool = true,
        before: [String] = [], at terminal: PseudoTerminal? = nil
    ) throws -> Program {
        let home = home(of: account, on: host)
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        var environment = [
            "HOME": home.path, "XDG_CONFIG_HOME": "\(home.path)/config", "SLEIGH_STATE_DIR": "\(home.path)/state",
            "SLEIGH_SERVER": topology == .ipv6 ? "[\(topology.serverAddress)]:5222" : "\(topology.serverAddress):5222",
        ]
        if trusting { environment["SLEIGH_CA_FILE"] = folder.appending(path: "ca.pem").path }
        if let account {
            environment["SLEIGH_ACCOUNT"] = "\(account)@sleigh.test"
            environment["SLEIGH_PASSWORD_FILE"] = folder.appending(path: "\(account).password").path
        }
        return try Program(
            ["ip", "netns", "exec", prefix + host.rawValue] + before + [sleighBinary, command] + arguments,
            named: "\(command)-\(host)-\(UUID().uuidString)", environment: environment, folder: folder,
            terminal: terminal)
    }

    /// The folder under which sleigh keeps everything for an account on a host; in it, `state` is the state folder.
    func home(of account: String?, on host: Host) -> URL {
        folder.appending(path: "home-\(host)-\(account ?? "nobody")")
    }

    /// Starts `sleigh receive` as bob, on host b unless told otherwise, and waits until it is ready.
    func receiver(
        _ arguments: [String] = ["--yes", "--once"], on host: Host = .b, as account: String = "bob",
        into folder: URL? = nil, before: [String] = [], at terminal: PseudoTerminal? = nil
    ) async throws -> Program {
        let folder = folder ?? inbox
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let program = try sleigh(
            "receive", arguments + ["--into", folder.path, "--json"], on: host, as: account, before: before,
            at: terminal)
        _ = try await program.event("ready")
        return program
    }

    /// Starts an XMPP client that advertises just these features, and waits until it is on-line.
    ///
    /// - Parameter playing: the capture it plays, and how.
    func scriptedClient(
        _ account: String, on host: Host = .b, resource: String, priority: Int = 0, name: String = "Scripted",
        features: [String], playing: [String] = []
    ) async throws -> Program {
        let password = folder.appending(path: "\(account).password").path
        let server = topology == .ipv6 ? "[\(topology.serverAddress)]:5222" : "\(topology.serverAddress):5222"
        let program = try Program(
            [
                "ip", "netns", "exec", prefix + host.rawValue,
                Self.productsFolder.appending(path: "ScriptedClient").path,
            ]
                + ["\(account)@sleigh.test/\(resource)", password, server, folder.appending(path: "ca.pem").path]
                + ["\(priority)", name] + features + (playing.isEmpty ? [] : ["--"] + playing),
            named: "scripted-\(host)-\(resource)", folder: folder)
        try await wait(for: "scripted client") { program.output.contains("ready") || !program.isRunning }
        try #require(program.output.contains("ready"), "\(program.messages)")
        return program
    }

    /// Starts `sleigh send` as alice, on host a unless told otherwise.
    func sender(
        of files: [URL], to peer: String = "bob@sleigh.test", _ arguments: [String] = [], on host: Host = .a,
        as account: String = "alice", at terminal: PseudoTerminal? = nil
    ) throws -> Program {
        try sleigh(
            "send", files.map(\.path) + [peer, "--json"] + arguments, on: host, as: account, at: terminal)
    }
}

// MARK: - Files

extension World {
    /// The folder the receiver receives into.
    var inbox: URL { folder.appending(path: "inbox") }

    var inboxNames: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: inbox.path).sorted() }
    }

    /// Makes a file of random bytes on host a.
    func makeFile(named name: String = "big.iso", byteCount: Int) throws -> URL {
        let outbox = folder.appending(path: "outbox")
        try FileManager.default.createDirectory(at: outbox, withIntermediateDirectories: true)
        let file = outbox.appending(path: name)
        let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
        defer { try? random.close() }
        let bytes = byteCount == 0 ? Data() : try random.read(upToCount: byteCount) ?? Data()
        try #require(bytes.count == byteCount)
        try bytes.write(to: file)
        return file
    }

    /// Expects that the inbox, or another folder, holds a file with the bytes of another.
    func expectReceived(
        _ file: URL, as name: String? = nil, into folder: URL? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let received = (folder ?? inbox).appending(path: name ?? file.lastPathComponent)
        #expect(
            FileManager.default.contentsEqual(atPath: file.path, andPath: received.path),
            "\(received.path) is not what was sent", sourceLocation: sourceLocation)
    }

    /// Waits until the receiver has written some of a file.
    func waitForPart(of file: URL, from sender: Program, byteCount: Int = 1) async throws {
        let part = inbox.appending(path: file.lastPathComponent + ".sleigh-part")
        try await wait(for: part.lastPathComponent) {
            let attributes = try? FileManager.default.attributesOfItem(atPath: part.path)
            return (attributes?[.size] as? Int ?? 0) >= byteCount || !sender.isRunning
        }
        try #require(sender.isRunning, "\(sender.output)\(sender.messages)")
    }
}
