// XEP-0166 § 6.3.2: the malformed request, and what it is answered with.
public import XMPP

/// What is wrong with an element a peer sent. The words are element and attribute names of the specifications,
/// never the peer's own text.
public enum JingleSyntaxError: Error, Sendable, Hashable {
    /// A required element or attribute is not there.
    case missing(String)
    /// An element or attribute has a value the specification does not allow, or is there twice.
    case invalid(String)
    /// Character data or an attribute is longer than accepted.
    case tooLong(String)
    /// There are more elements of that name than accepted.
    case tooMany(String)

    /// The answer to a request with this error (XEP-0166 § 6.3.2).
    public var stanzaError: StanzaError {
        switch self {
        case .missing(let word): StanzaError(.badRequest, kind: .modify, text: "missing \(word)")
        case .invalid(let word): StanzaError(.badRequest, kind: .modify, text: "invalid \(word)")
        case .tooLong(let word): StanzaError(.badRequest, kind: .modify, text: "\(word) is too long")
        case .tooMany(let word): StanzaError(.resourceConstraint, kind: .wait, text: "too many \(word)")
        }
    }
}
