public import XML

/// An info/query request or its answer (RFC 6120 § 8.2.3).
public struct IQ: Sendable, Hashable {
    /// The four kinds of IQ, with what each carries.
    public enum Content: Sendable, Hashable {
        /// A request for information.
        case get(XMLElement)
        /// A request to change something.
        case set(XMLElement)
        /// A successful answer, with or without a payload.
        case result(XMLElement?)
        /// A refusal.
        case error(StanzaError)
    }

    /// Who sent it; `nil` stands for the own account's server.
    public var from: JID?
    /// Whom it is for; `nil` stands for the own account's server.
    public var to: JID?
    /// The request's identifier, repeated in the answer.
    public var id: String
    /// Kind and payload.
    public var content: Content

    /// Creates an IQ.
    public init(from: JID? = nil, to: JID?, id: String, content: Content) {
        self.from = from
        self.to = to
        self.id = id
        self.content = content
    }
}
