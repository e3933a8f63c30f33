import ArgumentParser
import FileTransfer
import Jingle
import Transports

/// The options that say which paths a transfer may take, and how fast.
struct PathOptions: ParsableArguments {
    /// A name for paths on the command line.
    enum Path: String, CaseIterable, ExpressibleByArgument {
        case direct, relay, tcp, udp, socks5
        case inBand = "in-band"

        var allowed: AllowedPaths {
            switch self {
            case .direct: [.directUDP, .directTCP, .socks5Direct]
            case .relay: .relay
            case .tcp: .directTCP
            case .udp: .directUDP
            case .socks5: .socks5
            case .inBand: .inBand
            }
        }
    }

    @Option(
        help: ArgumentHelp(
            """
            Use only this kind of path: direct, relay (TURN), tcp or udp (direct), socks5, in-band. Can be repeated. \
            Default: the best that works.
            """, valueName: "path"))
    var path: [Path] = []

    @Flag(help: "Hide this host's addresses from the peer: use relays, proxies and the XMPP server only.")
    var relayOnly = false

    @Flag(help: "Refuse paths on which others could read the data; only clients other than sleigh have them.")
    var requireE2e = false

    @Option(
        help: ArgumentHelp(
            """
            Send no faster than this, and let the other side send no faster: bytes a second, such as 500k, 20M (20 000 000) \
            or 1.5Mi (1 572 864), or bits, such as 160Mbit. Default: as fast as the path allows.
            """, valueName: "rate"), transform: RateLimit.reading)
    var limit: RateLimit?

    func validate() throws {
        if relayOnly, !path.isEmpty, !allowed.isSubset(of: .hiding) {
            throw ValidationError("--relay-only hides this host's addresses, which that --path would show.")
        }
    }

    private var allowed: AllowedPaths {
        if path.isEmpty { return relayOnly ? .hiding : .all }
        let named = AllowedPaths(path.map(\.allowed))
        return relayOnly ? named.intersection(.hiding) : named
    }

    /// The same for the transfer.
    var policy: TransferPolicy {
        var policy = TransferPolicy()
        policy.allowedPaths = allowed
        policy.requiresEncryption = requireE2e
        policy.limit = limit
        return policy
    }
}
