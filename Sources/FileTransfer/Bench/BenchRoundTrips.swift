/// Round trips that were measured one after the other.
public struct BenchRoundTrips: Sendable, Hashable {
    /// What measured them.
    public enum Source: String, Sendable, Hashable {
        /// A question to the peer's program and its answer.
        case ping
        /// The carrier: QUIC and TCP smooth theirs.
        case carrier
    }

    /// What measured them.
    public var source: Source
    /// The shortest.
    public var least: Duration
    /// The one in the middle.
    public var median: Duration
    /// The longest.
    public var most: Duration

    /// Creates the figures of round trips.
    public init(_ source: Source, least: Duration, median: Duration, most: Duration) {
        self.source = source
        self.least = least
        self.median = median
        self.most = most
    }

    /// Sums up what was measured; `nil` when nothing was.
    public init?(_ source: Source, _ measured: [Duration]) {
        let sorted = measured.sorted()
        guard let least = sorted.first, let most = sorted.last else { return nil }
        self.init(source, least: least, median: sorted[sorted.count / 2], most: most)
    }
}
