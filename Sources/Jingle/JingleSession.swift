// XEP-0166 § 5 and § 6: Overall Session Management, as a state machine.
public import XMPP

/// One Jingle session, seen from one side.
///
/// The machine does no I/O: commands and incoming requests return what is to be done, in order. Each request it asks
/// to send must be answered, with `receiveResult` or `receiveFailure`, once. What the peer does wrong is answered
/// with an error and changes nothing.
public struct JingleSession: Sendable {
    /// Names a request of this session until it is answered.
    public struct RequestKey: Sendable, Hashable {
        let number: UInt64
    }

    /// Something to do.
    public enum Action: Sendable, Hashable {
        /// Send an IQ of type `set` with this payload to the peer, and report its answer under the key.
        case request(RequestKey, JingleStanza)
        /// Tell the application.
        case event(JingleEvent)
    }

    /// The one answer to an incoming request.
    public enum Answer: Sendable, Hashable {
        /// An empty result.
        case acknowledge
        /// An error.
        case refuse(StanzaError)
    }

    /// What an incoming request leads to: its answer first, then the actions.
    public struct Reaction: Sendable, Hashable {
        /// The answer to the request.
        public var answer: Answer
        /// What to do after it; empty when the request is refused.
        public var actions: [Action] = []
    }

    /// The states of XEP-0166 § 5.1.
    enum State: Sendable, Hashable { case pending, active, ended }

    struct PendingRequest: Sendable, Hashable {
        var action: JingleAction
        var contents: [ContentID] = []
        var previousSenders: Senders?
    }

    /// The session identifier.
    public let sid: String
    /// This side's address.
    public let localAddress: JID
    /// The peer's full address; the only one whose requests belong here.
    public let peer: JID
    /// This side's role.
    public let role: JingleRole

    var state: State = .pending
    var table = ContentTable()
    var pendingRequests: [RequestKey: PendingRequest] = [:]
    private var requestCount: UInt64 = 0

    private init(sid: String, localAddress: JID, peer: JID, role: JingleRole) {
        self.sid = sid
        self.localAddress = localAddress
        self.peer = peer
        self.role = role
    }

    /// Offers a session.
    ///
    /// - Parameters:
    ///   - contents: each made by the initiator, with description and transport.
    ///   - sid: the session identifier, random unless it comes from XEP-0353; at most 256 bytes.
    /// - Throws: `JingleCommandError` when a content is incomplete or there are none or too many.
    public static func initiate(
        _ contents: [Content], sid: String, from localAddress: JID, to peer: JID
    ) throws(JingleCommandError) -> (JingleSession, [Action]) {
        var session = JingleSession(sid: sid, localAddress: localAddress, peer: peer, role: .initiator)
        try session.table.offer(contents, by: .initiator, .withSession)
        var stanza = JingleStanza(.sessionInitiate, sid: sid, contents: contents)
        stanza.initiator = localAddress
        let actions = [session.request(stanza)]
        return (session, actions)
    }

    /// Takes a session-initiate. The session is `nil` when the request is refused.
    ///
    /// Contents with a security precondition, which nothing here can meet, are rejected with `security-error`
    /// straight away (§ 9); if no other is left, so is the session.
    public static func receive(
        _ stanza: JingleStanza, from peer: JID, to localAddress: JID
    ) -> (JingleSession?, Reaction) {
        var session = JingleSession(sid: stanza.sid, localAddress: localAddress, peer: peer, role: .responder)
        do throws(StanzaError) {
            guard stanza.action == .sessionInitiate else { throw JingleErrorCondition.unknownSession.stanzaError }
            guard stanza.contents.contains(where: { $0.disposition == "session" }) else {
                throw JingleSyntaxError.missing("content").stanzaError
            }
            let actions = try session.receiveOffer(stanza.contents, .withSession)
            return (session, Reaction(answer: .acknowledge, actions: actions))
        } catch {
            return (nil, Reaction(answer: .refuse(error)))
        }
    }

    /// The contents as offered, with the transports that have since replaced the first ones; in the order they came.
    public var contents: [Content] { table.contents }

    /// A content by its name.
    public func content(_ id: ContentID) -> Content? { table[id]?.content }

    /// True once a content has been accepted.
    public func isAccepted(_ id: ContentID) -> Bool { table[id]?.status == .accepted }

    /// True while the session waits to be accepted.
    public var isPending: Bool { state == .pending }

    /// True between acceptance and end.
    public var isActive: Bool { state == .active }

    /// True once the session is over; every further request is answered with `unknown-session` (§ 6.6).
    public var isEnded: Bool { state == .ended }

    /// True while our session-initiate has no answer, which is when another one can cross it (§ 7.2.16).
    public var isInitiateUnanswered: Bool { pendingRequests.values.contains { $0.action == .sessionInitiate } }

    // MARK: Steps that commands and requests share

    mutating func request(
        _ stanza: JingleStanza, about contents: [ContentID]? = nil, previousSenders: Senders? = nil
    ) -> Action {
        requestCount += 1
        let key = RequestKey(number: requestCount)
        pendingRequests[key] = PendingRequest(
            action: stanza.action, contents: contents ?? stanza.contents.map(\.id), previousSenders: previousSenders)
        return .request(key, stanza)
    }

    func isWaiting(for action: JingleAction, about id: ContentID? = nil) -> Bool {
        pendingRequests.values.contains { request in
            request.action == action && (id.map { request.contents.contains($0) } ?? true)
        }
    }

    mutating func end(_ end: JingleSessionEnd) -> Action {
        state = .ended
        pendingRequests = [:]
        return .event(.ended(end))
    }

    /// Ends the session from this side; the state is ENDED as soon as the request is sent (§ 6.6).
    mutating func endLocally(_ reason: Reason, as cause: JingleSessionEnd? = nil) -> [Action] {
        let terminate = request(JingleStanza(.sessionTerminate, sid: sid, reason: reason))
        return [terminate, end(cause ?? .local(reason))]
    }
}
