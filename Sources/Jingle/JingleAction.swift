// XEP-0166 § 7.2: Action Attribute.

/// The fifteen actions of Jingle.
public enum JingleAction: String, Sendable, Hashable, CaseIterable {
    /// Accepts a content-add.
    case contentAccept = "content-accept"
    /// Adds contents to the session.
    case contentAdd = "content-add"
    /// Changes the direction of a content.
    case contentModify = "content-modify"
    /// Rejects a content-add.
    case contentReject = "content-reject"
    /// Removes contents from the session.
    case contentRemove = "content-remove"
    /// Gives hints about an application's parameters.
    case descriptionInfo = "description-info"
    /// Gives information about security preconditions.
    case securityInfo = "security-info"
    /// Accepts the session.
    case sessionAccept = "session-accept"
    /// Gives information about the session; empty, it is a ping.
    case sessionInfo = "session-info"
    /// Asks for a new session.
    case sessionInitiate = "session-initiate"
    /// Ends the session.
    case sessionTerminate = "session-terminate"
    /// Accepts a transport-replace.
    case transportAccept = "transport-accept"
    /// Exchanges transport candidates.
    case transportInfo = "transport-info"
    /// Rejects a transport-replace.
    case transportReject = "transport-reject"
    /// Replaces the transport of contents.
    case transportReplace = "transport-replace"

    /// True when it does away with what it names: the details of a description or transport in it do not matter then,
    /// which some peers repeat and others leave out.
    var isDismissal: Bool {
        switch self {
        case .contentReject, .contentRemove, .sessionTerminate, .transportReject: true
        case .contentAccept, .contentAdd, .contentModify, .descriptionInfo, .securityInfo, .sessionAccept, .sessionInfo,
            .sessionInitiate, .transportAccept, .transportInfo, .transportReplace:
            false
        }
    }
}
