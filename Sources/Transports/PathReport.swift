/// The path a transfer's bytes take, as told to the user.
public struct PathReport: Sendable, Hashable, CustomStringConvertible {
    /// How the two hosts are joined.
    public enum Kind: Sendable, Hashable {
        /// QUIC over UDP from host to host.
        case direct
        /// TLS over TCP from host to host.
        case directTCP
        /// Through a TURN server, which is reached over `udp` or `tcp`; `nil` when the relay is the peer's and how the
        /// peer reaches it is not known.
        case relay(turn: String?)
        /// A SOCKS5 bytestream from host to host, or through a proxy.
        case socks5(isProxied: Bool)
        /// The XMPP stream itself.
        case inBand
    }

    /// How the two hosts are joined.
    public var kind: Kind
    /// Whether only the two devices can read the bytes; false on a bytestream to a client without ``BytestreamTLS``.
    public var isEndToEndEncrypted: Bool
    /// The address family of the path's first hop, 4 or 6; `nil` in-band.
    public var ipVersion: Int?
    /// Our end, as `address:port`; `nil` in-band.
    public var localAddress: String?
    /// The peer's end or the proxy, as `address:port`; `nil` in-band.
    public var remoteAddress: String?
    /// The round-trip time when the path was established.
    public var roundTripTime: Duration?
    /// Why better paths were not taken, one sentence each.
    public var reasons: [String]
    /// How fast each side may send on it.
    public var limits = RateLimits()

    /// Creates a report.
    public init(
        kind: Kind, isEndToEndEncrypted: Bool = true, ipVersion: Int? = nil, localAddress: String? = nil,
        remoteAddress: String? = nil, roundTripTime: Duration? = nil, reasons: [String] = []
    ) {
        self.kind = kind
        self.isEndToEndEncrypted = isEndToEndEncrypted
        self.ipVersion = ipVersion
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.roundTripTime = roundTripTime
        self.reasons = reasons
    }

    /// The path in the words of the progress line, such as `direct udp`, `relay turn-tcp` or `in-band`.
    public var description: String {
        switch kind {
        case .direct: "direct udp"
        case .directTCP: "direct tcp"
        case .relay(let turn?): "relay turn-\(turn)"
        case .relay(nil): "relay turn"
        case .socks5(let isProxied): isProxied ? "socks5 proxy" : "socks5 direct"
        case .inBand: "in-band"
        }
    }
}
