/// The requests that wait for an answer, and who may give it (RFC 6120 § 8.1.2.1, § 8.2.3).
///
/// `Waiter` is what the caller keeps for each request, such as a continuation; every waiter that went in comes out
/// exactly once.
public struct IQTracker<Waiter: Sendable>: Sendable {
    /// Why a request cannot be tracked.
    public enum TrackingError: Error, Sendable, Hashable {
        /// A request with that identifier is under way.
        case duplicateID
        /// As many requests are under way as are allowed.
        case tooMany
    }

    private struct Request: Sendable {
        var to: JID?
        var deadline: ContinuousClock.Instant
        var waiter: Waiter
    }

    private let address: JID
    private let limit: Int
    private var requests: [String: Request] = [:]

    /// Creates a tracker for the stream that is bound to an address.
    ///
    /// - Parameter limit: the most requests that may be under way.
    public init(address: JID, limit: Int = 256) {
        self.address = address
        self.limit = limit
    }

    /// The moment at which the next request runs out of time; `nil` when none is under way.
    public var nextDeadline: ContinuousClock.Instant? { requests.values.lazy.map(\.deadline).min() }

    /// Notes a request that is about to be sent.
    ///
    /// - Throws: `TrackingError`; then the request must not be sent.
    public mutating func track(
        id: String, to: JID?, deadline: ContinuousClock.Instant, waiter: Waiter
    ) throws(TrackingError) {
        guard requests[id] == nil else { throw .duplicateID }
        guard requests.count < limit else { throw .tooMany }
        requests[id] = Request(to: to, deadline: deadline, waiter: waiter)
    }

    /// The waiter whose request this stanza answers, which then is no longer under way.
    ///
    /// An answer must have the request's identifier and come from whom it was sent to. `nil` for anything else,
    /// which is to be ignored: late, unasked or spoofed.
    public mutating func answered(by iq: IQ) -> Waiter? {
        switch iq.content {
        case .get, .set: return nil
        case .result, .error: break
        }
        guard let request = requests[iq.id], isAllowed(iq.from, toAnswerRequestTo: request.to) else { return nil }
        requests[iq.id] = nil
        return request.waiter
    }

    /// Gives up one request; `nil` when it is not under way.
    public mutating func cancel(id: String) -> Waiter? {
        requests.removeValue(forKey: id)?.waiter
    }

    /// Gives up the requests whose time is over.
    public mutating func expire(at now: ContinuousClock.Instant) -> [Waiter] {
        let expired = requests.filter { $0.value.deadline <= now }
        for id in expired.keys { requests[id] = nil }
        return expired.values.map(\.waiter)
    }

    /// Gives up all requests, when the stream has ended.
    public mutating func cancelAll() -> [Waiter] {
        defer { requests = [:] }
        return requests.values.map(\.waiter)
    }

    /// Only the own server can send without an address or under the own one, so those prove that it answered, for
    /// itself or for the account.
    private func isAllowed(_ from: JID?, toAnswerRequestTo to: JID?) -> Bool {
        let server = JID(local: nil, domain: address.domain)
        switch to {
        case from: return true
        case nil: return from == address.bare || from == address || from == server
        case address.bare: return from == nil || from == address
        case server: return from == nil
        default: return false
        }
    }
}
