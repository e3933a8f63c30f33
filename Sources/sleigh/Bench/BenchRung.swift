import Transports

/// A kind of path that is measured in a session of its own.
struct BenchRung: Sendable, Hashable {
    /// Its name, as long as no path tells a better one.
    var name: String
    var paths: AllowedPaths

    /// All of them, best first.
    static let ladder = [
        BenchRung(name: "direct tcp", paths: .directTCP), BenchRung(name: "direct udp", paths: .directUDP),
        BenchRung(name: "relay", paths: .relay), BenchRung(name: "socks5 proxy", paths: .socks5Proxy),
        BenchRung(name: "in-band", paths: .inBand),
    ]
}
