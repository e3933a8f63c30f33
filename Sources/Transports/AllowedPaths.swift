/// The kinds of path that may be used.
public struct AllowedPaths: OptionSet, Sendable, Hashable {
    /// One bit for each kind.
    public let rawValue: UInt8

    /// Creates a set from bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// QUIC over UDP from host to host.
    public static let directUDP = AllowedPaths(rawValue: 1)
    /// TLS over TCP from host to host.
    public static let directTCP = AllowedPaths(rawValue: 2)
    /// QUIC through a TURN server.
    public static let relay = AllowedPaths(rawValue: 4)
    /// A SOCKS5 bytestream from host to host.
    public static let socks5Direct = AllowedPaths(rawValue: 8)
    /// A SOCKS5 bytestream through a proxy.
    public static let socks5Proxy = AllowedPaths(rawValue: 16)
    /// The XMPP stream itself.
    public static let inBand = AllowedPaths(rawValue: 32)

    /// Everything.
    public static let all: AllowedPaths = [.directUDP, .directTCP, .relay, .socks5Direct, .socks5Proxy, .inBand]
    /// What keeps our addresses from the peer.
    public static let hiding: AllowedPaths = [.relay, .socks5Proxy, .inBand]
    /// What the ICE-QUIC transport can give.
    public static let iceQUIC: AllowedPaths = [.directUDP, .directTCP, .relay]
    /// What the SOCKS5 transport can give.
    public static let socks5: AllowedPaths = [.socks5Direct, .socks5Proxy]
}
