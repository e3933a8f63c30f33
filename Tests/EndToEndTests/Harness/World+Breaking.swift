import Foundation
import Testing

/// A namespace of `Scripts/network` in which packets can be dropped.
enum Namespace: String, Sendable {
    case a
    case b
    case server
    /// The public network, which everything crosses that leaves an edge.
    case net
}

/// What is broken in a world while it is used.
extension World {
    /// Where a server with components has its SOCKS5 proxy.
    static let proxyPort = 7777

    /// Drops, from now on, the packets that match on their way into, out of or through a namespace.
    ///
    /// - Parameter match: the words of nft that select them.
    func drop(_ match: String, in namespace: Namespace) async throws {
        try await Self.script("network", "drop", prefix, namespace.rawValue, match)
    }

    /// How many packets a namespace has dropped by ``drop(_:in:)``.
    func droppedPacketCount(in namespace: Namespace) async throws -> Int {
        let text = try await Self.script("network", "dropped", prefix, namespace.rawValue)
        return try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    /// Lets no TCP get to the SOCKS5 proxy, in a topology with a public network.
    func dropProxy() async throws { try await drop("tcp dport \(Self.proxyPort)", in: .net) }

    /// Cuts every connection to the SOCKS5 proxy, and lets no other come about, in a topology with a public network.
    func resetProxy() async throws {
        try await Self.script("network", "reset", prefix, Namespace.net.rawValue, "tcp dport \(Self.proxyPort)")
    }

    /// Holds programs still while something is broken that they use, so that they are in the middle of what they do,
    /// however long it takes.
    func holding(_ programs: Program..., while body: () async throws -> Void) async throws {
        for program in programs { program.signal(SIGSTOP) }
        defer { for program in programs { program.signal(SIGCONT) } }
        try await body()
    }

    /// Gives a host another address, with the length of its prefix, as another network does.
    func readdress(_ host: Host, to address: String) async throws {
        try await Self.script("network", "readdress", prefix, host.rawValue, address)
    }

    /// Ends coturn alone, at once.
    func stopTURN() async throws { try await Self.script("lab", "stop", folder.path, "turnserver") }

    /// Stops negotiations at a certain point: while `body` runs, the first stanza of each client that contains a text,
    /// and all later ones of that client, wait at the server. Needs a server with the module `hold_stanzas`.
    ///
    /// - Parameters:
    ///   - clientCount: how many clients have to wait there before `body` runs.
    ///   - start: starts the programs that negotiate.
    func holdingStanzas(
        with text: String, clientCount: Int = 1, from start: () async throws -> [Program],
        _ body: () async throws -> Void = {}
    ) async throws {
        let file = folder.appending(path: "data/hold")
        let countBefore = try holdingCount
        try Data("\(text)\n".utf8).write(to: file, options: .atomic)
        defer { try? FileManager.default.removeItem(at: file) }
        let programs = try await start()
        try await wait(for: "stanza with \(text)") {
            try holdingCount - countBefore >= clientCount || !programs.allSatisfy(\.isRunning)
        }
        let printed = programs.map { $0.output + $0.messages }.joined()
        try #require(try holdingCount - countBefore >= clientCount, "\(printed)")
        try await body()
    }

    private var holdingCount: Int { get throws { try serverLog.count { $0.contains("Holding the stanzas of") } } }
}
