/// How long to wait before the next attempt to connect: a lot up to a limit that doubles with every failure, from
/// 1 s to 60 s ("full jitter"), so that the clients of a server that restarts do not all come back at once.
public struct Backoff: Sendable {
    private var limitSeconds = 1.0

    /// Creates the state before the first failure.
    public init() {}

    /// The time to wait after one more failure.
    public mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        defer { limitSeconds = min(60, limitSeconds * 2) }
        return .seconds(Double.random(in: 0...limitSeconds, using: &random))
    }

    /// Forgets the failures; to be called when a connection has lasted.
    public mutating func reset() { limitSeconds = 1 }
}
