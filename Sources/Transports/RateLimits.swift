public import Jingle

/// The limits in force on a connection; `nil` where there is none.
public struct RateLimits: Sendable, Hashable {
    /// The most this side sends: the smaller of what its user and the peer want.
    public var sending: RateLimit?
    /// Whether it is the peer that wants it.
    public var isSendingForPeer = false
    /// The most this side takes, and asks the peer to send.
    public var receiving: RateLimit?

    /// Creates limits for both directions.
    public init(_ both: RateLimit? = nil) {
        sending = both
        receiving = both
    }

    /// Takes what the peer asks for.
    mutating func limitSending(forPeer limit: RateLimit?) {
        guard let limit, sending.map({ limit < $0 }) ?? true else { return }
        sending = limit
        isSendingForPeer = true
    }
}
