/// Which of the paths to a peer carries a content, as the side that opens its stream decides.
///
/// The order is: direct TCP with a short round trip, direct UDP, direct TCP with a long one, UDP through a relay. A
/// better path that may still come is waited for, but not for long.
struct PathChoice {
    /// What became of QUIC over ICE.
    enum UDP {
        case pending
        case direct(roundTripTime: Duration, since: ContinuousClock.Instant)
        case relayed
        case failed
    }

    /// The best TCP connection so far.
    struct TCP {
        var roundTripTime: Duration
        var since: ContinuousClock.Instant
    }

    /// What to do.
    enum Verdict: Hashable {
        case takeTCP
        case takeUDP
        /// Look again when something has happened, or then.
        case wait(until: ContinuousClock.Instant?)
        /// There is no path.
        case giveUp
    }

    /// The longest round trip at which TCP is better than QUIC.
    static let shortRoundTrip = Duration.milliseconds(5)
    /// How long a short direct UDP path waits for TCP.
    static let shortPatience = Duration.milliseconds(100)
    /// How long after the start a relayed path waits for TCP: for a dial and its handshake with a round trip of 300 ms.
    /// The relay itself is seldom ready before.
    static let relayPatience = Duration.milliseconds(1200)
    /// How long TCP with a long round trip waits for direct UDP.
    static let longPatience = Duration.seconds(3)
    /// How long after the start a TCP connection may still come: a dial, and its handshake.
    static let dialPatience = Duration.milliseconds(3500)

    var udp = UDP.pending
    var tcp: TCP?
    /// Whether TCP is tried at all.
    let mayHaveTCP: Bool
    /// When both sides knew of each other.
    let start: ContinuousClock.Instant

    init(mayHaveTCP: Bool, start: ContinuousClock.Instant) {
        self.mayHaveTCP = mayHaveTCP
        self.start = start
    }

    func verdict(at now: ContinuousClock.Instant) -> Verdict {
        if let tcp, tcp.roundTripTime <= Self.shortRoundTrip { return .takeTCP }
        switch (udp, tcp) {
        case (.direct(let roundTripTime, let since), nil) where mayHaveTCP && roundTripTime <= Self.shortRoundTrip:
            return wait(until: since + Self.shortPatience, at: now, then: .takeUDP)
        case (.direct, _): return .takeUDP
        case (.pending, nil): return .wait(until: nil)
        case (.pending, let tcp?): return wait(until: tcp.since + Self.longPatience, at: now, then: .takeTCP)
        case (.relayed, .some), (.failed, .some): return .takeTCP
        case (.relayed, nil):
            return mayHaveTCP ? wait(until: start + Self.relayPatience, at: now, then: .takeUDP) : .takeUDP
        case (.failed, nil):
            return mayHaveTCP ? wait(until: start + Self.dialPatience, at: now, then: .giveUp) : .giveUp
        }
    }

    private func wait(
        until end: ContinuousClock.Instant, at now: ContinuousClock.Instant, then last: Verdict
    ) -> Verdict {
        now < end ? .wait(until: end) : last
    }
}
