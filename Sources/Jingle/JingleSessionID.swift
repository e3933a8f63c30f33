// XEP-0166 § 7.1: what tells sessions apart.
public import XMPP

/// Names a session: the same identifier from another peer is another session.
public struct JingleSessionID: Sendable, Hashable {
    /// The peer's full address.
    public let peer: JID
    /// The session identifier.
    public let sid: String

    /// Creates a session's name.
    public init(peer: JID, sid: String) {
        self.peer = peer
        self.sid = sid
    }
}
