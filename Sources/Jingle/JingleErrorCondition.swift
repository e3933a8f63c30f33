// XEP-0166 § 10: Error Handling.
import XML
public import XMPP

/// The Jingle-specific error conditions.
public enum JingleErrorCondition: String, Sendable, Hashable, CaseIterable {
    /// The request cannot occur in this state of the session.
    case outOfOrder = "out-of-order"
    /// The request lost against a similar one that crossed it (§ 7.2.16).
    case tieBreak = "tie-break"
    /// There is no such session, or no longer.
    case unknownSession = "unknown-session"
    /// The payload of an informational message is not understood.
    case unsupportedInfo = "unsupported-info"
    /// What was sent in the clear was expected inside an encrypted channel (§ 9).
    case securityRequired = "security-required"

    /// The Jingle condition of a stanza error; `nil` when it has none.
    public init?(_ error: StanzaError) {
        guard let element = error.applicationCondition, element.namespace == Jingle.errorsNamespace else { return nil }
        self.init(rawValue: element.name)
    }

    /// The stanza error that carries this condition, with the general condition § 10 pairs it with.
    public var stanzaError: StanzaError {
        let (condition, kind): (StanzaError.Condition, StanzaError.Kind) =
            switch self {
            case .outOfOrder: (.unexpectedRequest, .wait)
            case .tieBreak: (.conflict, .cancel)
            case .unknownSession: (.itemNotFound, .cancel)
            case .unsupportedInfo: (.featureNotImplemented, .modify)
            case .securityRequired: (.notAcceptable, .cancel)
            }
        return StanzaError(
            condition, kind: kind,
            applicationCondition: XMLElement(rawValue, namespace: Jingle.errorsNamespace))
    }
}
