public import XML

/// A stanza error (RFC 6120 § 8.3).
public struct StanzaError: Error, Sendable, Hashable {
    /// What the sender may do about it (RFC 6120 § 8.3.2).
    public enum Kind: String, Sendable, Hashable {
        case auth, cancel, `continue`, modify, wait
    }

    /// The defined conditions (RFC 6120 § 8.3.3).
    public enum Condition: String, Sendable, Hashable, CaseIterable {
        case badRequest = "bad-request"
        case conflict
        case featureNotImplemented = "feature-not-implemented"
        case forbidden
        case gone
        case internalServerError = "internal-server-error"
        case itemNotFound = "item-not-found"
        case jidMalformed = "jid-malformed"
        case notAcceptable = "not-acceptable"
        case notAllowed = "not-allowed"
        case notAuthorized = "not-authorized"
        case policyViolation = "policy-violation"
        case recipientUnavailable = "recipient-unavailable"
        case redirect
        case registrationRequired = "registration-required"
        case remoteServerNotFound = "remote-server-not-found"
        case remoteServerTimeout = "remote-server-timeout"
        case resourceConstraint = "resource-constraint"
        case serviceUnavailable = "service-unavailable"
        case subscriptionRequired = "subscription-required"
        case undefinedCondition = "undefined-condition"
        case unexpectedRequest = "unexpected-request"
    }

    /// What the sender may do about it.
    public var kind: Kind
    /// What went wrong.
    public var condition: Condition
    /// The human-readable text, as the peer wrote it: not safe to print.
    public var text: String?
    /// An application-specific condition, such as `out-of-order` of XEP-0166.
    public var applicationCondition: XMLElement?

    /// Creates an error.
    public init(_ condition: Condition, kind: Kind, text: String? = nil, applicationCondition: XMLElement? = nil) {
        self.kind = kind
        self.condition = condition
        self.text = text
        self.applicationCondition = applicationCondition
    }
}
