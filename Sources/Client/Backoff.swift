/// How long to wait before the next attempt to connect: a lot up to a limit that doubles with every failure, from
/// 1 s to 60 s ("full jitter"), so that the clients of a server that restarts do not all come back at once.
public struct Backoff: Sendable {
    private let maximumSeconds: Double
    private var limitSeconds = 1.0

    /// Creates the state before the first failure.
    ///
    /// - Parameter maximumSeconds: what the limit does not exceed.
    public init(maximumSeconds: Double = 60) { self.maximumSeconds = maximumSeconds }

    /// The time to wait after one more failure.
    public mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        defer { limitSeconds = min(maximumSeconds, limitSeconds * 2) }
        return .seconds(Double.random(in: 0...limitSeconds, using: &random))
    }

    /// Forgets the failures; to be called when a connection has lasted.
    public mutating func reset() { limitSeconds = 1 }
}
