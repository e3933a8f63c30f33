/// Which side chooses the pair (RFC 8445 § 6.1.1); a conflict is resolved by the agents.
public enum ICERole: Sendable, Hashable {
    /// The side that initiated the Jingle session.
    case controlling
    /// The side that answered.
    case controlled
}
