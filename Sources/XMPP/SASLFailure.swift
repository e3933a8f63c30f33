internal import XML

/// The server's refusal of a log-in (RFC 6120 § 6.5).
public struct SASLFailure: Error, Sendable, Hashable {
    /// The defined conditions.
    public enum Condition: String, Sendable, Hashable {
        case aborted
        case accountDisabled = "account-disabled"
        case credentialsExpired = "credentials-expired"
        case encryptionRequired = "encryption-required"
        case incorrectEncoding = "incorrect-encoding"
        case invalidAuthzid = "invalid-authzid"
        case invalidMechanism = "invalid-mechanism"
        case malformedRequest = "malformed-request"
        case mechanismTooWeak = "mechanism-too-weak"
        /// The name or the password is wrong.
        case notAuthorized = "not-authorized"
        case temporaryAuthFailure = "temporary-auth-failure"
    }

    /// The condition; `nil` when the server named one that RFC 6120 does not know.
    public var condition: Condition?
    /// The human-readable text, as the server wrote it: not safe to print.
    public var text: String?

    /// Creates a failure.
    public init(_ condition: Condition?, text: String? = nil) {
        self.condition = condition
        self.text = text
    }

    /// Reads a `<failure/>` element.
    init(_ element: XMLElement) {
        self.init(
            element.elements.lazy.compactMap { Condition(rawValue: $0.name) }.first, text: element.first("text")?.text)
    }
}
