import Foundation

@testable import ICE

/// Network namespaces: a public network with coturn, two NATs, a host behind each. Needs root; gone with the object.
final class NATNetwork {
    enum NAT: Sendable {
        /// One outside port for one inside port, whoever it talks to; in from known addresses and ports only.
        case endpointIndependent
        /// Another outside port for each destination.
        case symmetric
        /// As the first, for TCP only.
        case blocksUDP
    }

    struct CommandFailed: Error {
        let text: String
    }

    static var isPossible: Bool {
        let tools = ["/usr/sbin/ip", "/usr/sbin/nft", TURNRelay.program]
        let isPossible = geteuid() == 0 && tools.allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
        guard isPossible, (try? run("ip netns add \(prefix)try && ip netns del \(prefix)try")) != nil else {
            print("no root, ip, nft or coturn: the NAT tests are skipped")
            return false
        }
        return true
    }

    /// Those of this process; what is left of one that crashed, `Scripts/network sweep` removes.
    private static let prefix = "sl-\(getpid())-"
    private static let names = ["public", "nat1", "nat2", "host1", "host2"].map { prefix + $0 }
    private let turn = Process()

    init(_ first: NAT, _ second: NAT) throws {
        try Self.removeAll()
        var commands = Self.names.map { "ip netns add \($0)\nip -n \($0) link set lo up" }
        commands.append("ip -n \(Self.prefix)public link add bridge type bridge")
        commands.append("ip -n \(Self.prefix)public link set bridge up")
        commands.append("ip -n \(Self.prefix)public addr add 203.0.113.1/24 dev bridge")
        // coturn ends an allocation if a packet to a peer's private address has no route at all.
        commands.append("ip -n \(Self.prefix)public link add nowhere type veth peer name nobody")
        commands.append("ip -n \(Self.prefix)public link set nowhere arp off up")
        commands.append("ip -n \(Self.prefix)public link set nobody up")
        commands.append("ip -n \(Self.prefix)public route add default dev nowhere")
        for (number, nat) in [(1, first), (2, second)] { commands.append(Self.commands(number, nat)) }
        try Self.run(commands.joined(separator: "\n"))
        try startTURN()
    }

    deinit {
        // Not started, its identifier is 0, which means the whole process group.
        if turn.isRunning {
            kill(turn.processIdentifier, SIGKILL)
            turn.waitUntilExit()
        }
        try? Self.removeAll()
    }

    /// Two agents, each with a loop in its host's namespace.
    func makePair() throws -> AgentPair {
        var configuration = ICEConfiguration()
        configuration.stunServers = [STUNServer(host: "203.0.113.1")]
        configuration.turnServers = [TURNServer.Transport.udp, .tcp].map {
            TURNServer(
                host: "203.0.113.1", transport: $0, username: TURNRelay.username, password: TURNRelay.password)
        }
        let agents = try [(1, ICERole.controlling), (2, .controlled)].map { number, role in
            let loop = try ICELoop()
            let descriptor = open("/run/netns/\(Self.prefix)host\(number)", O_RDONLY | O_CLOEXEC)
            defer { close(descriptor) }
            // Sockets are made on the loop's thread, so it alone has to move.
            let isMoved = loop.performAndWait { Self.enterNamespace(descriptor) }
            guard isMoved else { throw CommandFailed(text: "setns") }
            return try ICEAgent(loop: loop, role: role, configuration: configuration)
        }
        return AgentPair(initiator: agents[0], responder: agents[1])
    }

    /// Moves the calling thread; Glibc's module does not have `setns`.
    private static func enterNamespace(_ descriptor: Int32) -> Bool {
        typealias SetNS = @convention(c) (Int32, Int32) -> Int32
        guard let symbol = dlsym(nil, "setns") else { return false }
        return unsafeBitCast(symbol, to: SetNS.self)(descriptor, 0) == 0
    }

    private static func commands(_ number: Int, _ nat: NAT) -> String {
        let masquerade =
            switch nat {
            // Ports are kept where possible, and so are the same for every destination.
            case .endpointIndependent, .blocksUDP: "masquerade"
            // A random port for each connection as the kernel tracks them, thus for each destination.
            case .symmetric: "masquerade fully-random"
            }
        // Unsolicited packets to the NAT itself have to be dropped: accepted, they would leave a connection entry that
        // takes the port the host behind needs, and its packets would get another one.
        let ns = prefix
        return """
            ip -n \(ns)nat\(number) link add outside type veth peer name nat\(number) netns \(ns)public
            ip -n \(ns)public link set nat\(number) master bridge up
            ip -n \(ns)nat\(number) addr add 203.0.113.\(10 + number)/24 dev outside
            ip -n \(ns)nat\(number) link set outside up
            ip -n \(ns)nat\(number) link add inside type veth peer name eth0 netns \(ns)host\(number)
            ip -n \(ns)nat\(number) addr add 10.\(number).0.1/24 dev inside
            ip -n \(ns)nat\(number) link set inside up
            ip -n \(ns)host\(number) addr add 10.\(number).0.2/24 dev eth0
            ip -n \(ns)host\(number) link set eth0 up
            ip -n \(ns)host\(number) route add default via 10.\(number).0.1
            ip netns exec \(ns)nat\(number) sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
            ip netns exec \(ns)nat\(number) nft -f - <<'END'
            table ip nat {
              chain after {
                type nat hook postrouting priority 100
                oifname "outside" \(masquerade)
              }
              chain input {
                type filter hook input priority 0; policy drop
                ct state established accept
                iifname "inside" accept
              }
              chain forward {
                type filter hook forward priority 0; policy drop
                \(nat == .blocksUDP ? "meta l4proto udp drop" : "")
                iifname "inside" accept
                ct state established,related accept
              }
            }
            END
            """
    }

    private static func removeAll() throws {
        try run(names.map { "ip netns del \($0) 2>/dev/null || true" }.joined(separator: "\n"))
    }

    private func startTURN() throws {
        turn.executableURL = URL(filePath: "/usr/sbin/ip")
        turn.arguments =
            ["netns", "exec", "\(Self.prefix)public", TURNRelay.program, "-n"]
            + ["--listening-ip=203.0.113.1", "--relay-ip=203.0.113.1", "--lt-cred-mech", "--realm=test.invalid"]
            + ["--user=\(TURNRelay.username):\(TURNRelay.password)", "--no-tls", "--no-dtls", "--no-cli"]
            + [
                "--log-file=stdout", "--pidfile=/dev/null",
                "--userdb=/tmp/ice-nat-\(getpid()).db",
            ]
        turn.standardOutput = FileHandle.nullDevice
        turn.standardError = FileHandle.nullDevice
        try turn.run()
        try Self.run(
            "ip netns exec \(Self.prefix)public timeout 60 bash -c "
                + "'until (echo > /dev/tcp/203.0.113.1/3478) 2>/dev/null; do sleep 0.05; done'")
        try? FileManager.default.removeItem(atPath: "/tmp/ice-nat-\(getpid()).db")
    }

    private static func run(_ script: String) throws {
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-ec", script]
        try shell.run()
        shell.waitUntilExit()
        guard shell.terminationStatus == 0 else { throw CommandFailed(text: script) }
    }
}
