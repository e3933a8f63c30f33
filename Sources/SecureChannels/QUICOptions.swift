/// Which side of a QUIC connection this is; `setup='passive'` is the server (RFC 8842).
public enum QUICRole: Sendable, Hashable {
    /// Sends the first packet.
    case client
    /// Waits for the first packet.
    case server
}

/// How a QUIC connection decides how much to send at once.
public enum QUICCongestionControl: String, Sendable, Hashable, CaseIterable {
    /// Backs off at every loss.
    case cubic
    /// Measures the bandwidth; indifferent to random loss. The default.
    case bbr
    /// Like `bbr`, with shorter queues. Where more than 2 % of a round trip's packets are lost it slows down, and once few
    /// are under way a single loss is more than that: with ngtcp2 0.12 it then never recovers.
    case bbr2
}

/// The settings of a QUIC connection. Times are in nanoseconds where they meet the engine.
public struct QUICOptions: Sendable, Hashable {
    /// How much to send at once; fixed for the connection's life.
    public var congestionControl: QUICCongestionControl = .bbr
    /// The round trip measured by ICE, if known.
    public var initialRTT: Duration?
    /// How long the handshake may take.
    public var handshakeTimeout: Duration = .seconds(15)
    /// How long the path may be silent before it is dead.
    public var idleTimeout: Duration = .seconds(20)
    /// How long to be silent before sending a PING.
    public var keepAlive: Duration = .seconds(5)
    /// The receive window of a stream in bytes.
    public var streamWindowByteCount = 32 << 20
    /// How far the window of a stream grows whose reader empties it within a few round trips.
    public var maximumStreamWindowByteCount = 32 << 20
    /// By how much the windows of all streams together may grow.
    public var windowGrowthByteCount = 0
    /// The receive window of the connection in bytes, at least that of a stream.
    public var connectionWindowByteCount = 40 << 20
    /// How many streams the peer may have open at a time.
    public var peerStreamCount = 256
    /// How many packets are acknowledged at once.
    public var acknowledgementThreshold = 16
    /// The largest UDP payload to send in bytes; 1200 to 1452.
    public var payloadByteCount = 1452
    /// Starts with payloads of 1200 bytes and looks for larger ones that get through. Without it every packet has
    /// ``payloadByteCount`` at most.
    public var discoversMTU = true

    /// The settings for a direct path.
    public init() {}

    /// The settings for a path through a TURN server, which may cut packets into fragments where we cannot see it: they
    /// grow no further than most tunnels (an MTU of 1400 bytes) take them whole, with the TURN header.
    public static var relayed: QUICOptions {
        var options = QUICOptions()
        options.payloadByteCount = 1342
        return options
    }
}

extension QUICOptions {
    /// The settings for many streams whose readers know nothing of each other. The window of the connection is that of all
    /// streams together, so that those whose readers are stalled leave the others theirs.
    public static var manyStreams: QUICOptions {
        var options = QUICOptions()
        options.streamWindowByteCount = 256 << 10
        options.maximumStreamWindowByteCount = 16 << 20
        options.windowGrowthByteCount = 64 << 20
        options.connectionWindowByteCount =
            2 * options.peerStreamCount * options.streamWindowByteCount + options.windowGrowthByteCount
        return options
    }
}

extension Duration {
    /// The whole duration in nanoseconds, 0 if negative.
    package var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max / 2 : min(product + UInt64(attoseconds / 1_000_000_000), .max / 2)
    }
}
