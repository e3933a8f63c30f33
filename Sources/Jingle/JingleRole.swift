// XEP-0166 § 2.1 (roles) and § 7.3 (the words of 'creator' and 'senders').

/// The two parties of a session.
public enum JingleRole: String, Sendable, Hashable, CaseIterable {
    /// The one that sent session-initiate.
    case initiator
    /// The other one.
    case responder

    /// The other party.
    public var opposite: JingleRole {
        switch self {
        case .initiator: .responder
        case .responder: .initiator
        }
    }
}

/// Which parties send data in a content.
public enum Senders: String, Sendable, Hashable, CaseIterable {
    case both
    case initiator
    case none
    case responder

    /// True when that party sends data.
    public func includes(_ role: JingleRole) -> Bool {
        switch self {
        case .both: true
        case .none: false
        case .initiator: role == .initiator
        case .responder: role == .responder
        }
    }
}
