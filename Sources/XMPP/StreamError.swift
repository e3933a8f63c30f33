public import XML

/// A stream error, after which the stream is over (RFC 6120 § 4.9).
public struct StreamError: Error, Sendable, Hashable {
    /// The defined conditions (RFC 6120 § 4.9.3).
    public enum Condition: String, Sendable, Hashable {
        case badFormat = "bad-format"
        case badNamespacePrefix = "bad-namespace-prefix"
        case conflict
        case connectionTimeout = "connection-timeout"
        case hostGone = "host-gone"
        case hostUnknown = "host-unknown"
        case improperAddressing = "improper-addressing"
        case internalServerError = "internal-server-error"
        case invalidFrom = "invalid-from"
        case invalidNamespace = "invalid-namespace"
        case invalidXML = "invalid-xml"
        case notAuthorized = "not-authorized"
        case notWellFormed = "not-well-formed"
        case policyViolation = "policy-violation"
        case remoteConnectionFailed = "remote-connection-failed"
        case reset
        case resourceConstraint = "resource-constraint"
        case restrictedXML = "restricted-xml"
        case seeOtherHost = "see-other-host"
        case systemShutdown = "system-shutdown"
        case undefinedCondition = "undefined-condition"
        case unsupportedEncoding = "unsupported-encoding"
        case unsupportedFeature = "unsupported-feature"
        case unsupportedStanzaType = "unsupported-stanza-type"
        case unsupportedVersion = "unsupported-version"
    }

    /// What went wrong.
    public var condition: Condition
    /// The human-readable text, as the peer wrote it: not safe to print.
    public var text: String?
    /// With `see-other-host`, the host to go to: a name or address, and maybe a port (RFC 6120 § 4.9.3.19).
    public var otherHost: String?

    /// Creates an error.
    public init(_ condition: Condition, text: String? = nil) {
        self.condition = condition
        self.text = text
    }

    /// Reads a `<stream:error/>` element; `nil` when it is another element. An unknown condition becomes
    /// `undefined-condition`.
    public init?(_ element: XMLElement) {
        guard element.matches("error", namespace: Namespace.streams) else { return nil }
        self.init(.undefinedCondition)
        for child in element.elements where child.namespace == Namespace.streamErrors {
            if child.name == "text" {
                text = child.text
            } else if let condition = Condition(rawValue: child.name) {
                self.condition = condition
                if condition == .seeOtherHost { otherHost = child.text }
            }
        }
    }

    /// The condition to tell a peer whose stream could not be read.
    public init(unreadable error: XMLStreamError) {
        switch error {
        case .notWellFormed: self.init(.notWellFormed)
        case .restricted: self.init(.restrictedXML)
        case .undeclaredPrefix: self.init(.badNamespacePrefix)
        case .unsupportedEncoding: self.init(.unsupportedEncoding)
        case .textOutsideStanza: self.init(.badFormat)
        case .limitExceeded: self.init(.policyViolation)
        }
    }

    /// The error as text to send, followed by the end of the stream.
    public var closingText: String {
        let condition = XMLElement(condition.rawValue, namespace: Namespace.streamErrors)
        return "<stream:error>" + condition.serialized() + "</stream:error></stream:stream>"
    }
}
