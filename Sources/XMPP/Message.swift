public import XML

/// A message stanza (RFC 6121 § 5).
public struct Message: Sendable, Hashable {
    /// The kinds of message (RFC 6121 § 5.2.2).
    public enum Kind: String, Sendable, Hashable {
        case chat, error, groupchat, headline, normal
    }

    /// Who sent it; `nil` stands for the own account.
    public var from: JID?
    /// Whom it is for; `nil` stands for the own account.
    public var to: JID?
    /// The sender's identifier for it.
    public var id: String?
    /// What kind of message it is.
    public var kind: Kind
    /// What it carries.
    public var payloads: [XMLElement]

    /// Creates a message.
    public init(from: JID? = nil, to: JID?, id: String? = nil, kind: Kind = .normal, payloads: [XMLElement]) {
        self.from = from
        self.to = to
        self.id = id
        self.kind = kind
        self.payloads = payloads
    }

    /// Reads a stanza; an unknown type counts as `normal`, as RFC 6121 § 5.2.2 says.
    ///
    /// - Throws: `StanzaParseError` when it is no message, or an address is not valid.
    public init(_ element: XMLElement) throws(StanzaParseError) {
        guard element.matches("message", namespace: Namespace.client) else { throw .wrongElement }
        self.init(
            from: try JID(attribute: "from", of: element), to: try JID(attribute: "to", of: element),
            id: element["id"], kind: element["type"].flatMap(Kind.init) ?? .normal, payloads: element.elements)
    }

    /// The stanza, in the namespace `jabber:client`.
    public var element: XMLElement {
        var element = XMLElement("message", namespace: Namespace.client, children: payloads)
        element["from"] = from?.description
        element["to"] = to?.description
        element["id"] = id
        if kind != .normal { element["type"] = kind.rawValue }
        return element
    }

    /// The first payload of that name and namespace.
    public func first(_ name: String, namespace: String) -> XMLElement? {
        payloads.first { $0.matches(name, namespace: namespace) }
    }
}
