public import XML

/// A presence stanza (RFC 6121 § 4).
public struct Presence: Sendable, Hashable {
    /// The kinds of presence (RFC 6121 § 4.7.1).
    public enum Kind: String, Sendable, Hashable {
        /// The sender can be reached; on the wire, no type at all.
        case available = ""
        case error, probe, subscribe, subscribed, unavailable, unsubscribe, unsubscribed
    }

    /// Who sent it; `nil` stands for the own account.
    public var from: JID?
    /// Whom it is for; `nil` for all who are subscribed.
    public var to: JID?
    /// What it says.
    public var kind: Kind
    /// The device's priority: messages to the bare address go to no device below 0 (RFC 6121 § 4.7.2.3).
    public var priority: Int8
    /// What else it carries, such as capabilities.
    public var payloads: [XMLElement]

    /// Creates a presence; with an address in `to`, a directed one.
    public init(
        from: JID? = nil, to: JID? = nil, kind: Kind = .available, priority: Int8 = 0, payloads: [XMLElement] = []
    ) {
        self.from = from
        self.to = to
        self.kind = kind
        self.priority = priority
        self.payloads = payloads
    }

    /// Reads a stanza.
    ///
    /// - Throws: `StanzaParseError` when it is no presence, or its type or an address is not valid.
    public init(_ element: XMLElement) throws(StanzaParseError) {
        guard element.matches("presence", namespace: Namespace.client) else { throw .wrongElement }
        guard element["type"] != "", let kind = Kind(rawValue: element["type"] ?? "") else { throw .invalid("type") }
        self.init(
            from: try JID(attribute: "from", of: element), to: try JID(attribute: "to", of: element), kind: kind,
            priority: element.first("priority").flatMap { Int8($0.text) } ?? 0,
            payloads: element.elements.filter { !$0.matches("priority", namespace: Namespace.client) })
    }

    /// The stanza, in the namespace `jabber:client`.
    public var element: XMLElement {
        var element = XMLElement("presence", namespace: Namespace.client)
        element["from"] = from?.description
        element["to"] = to?.description
        if kind != .available { element["type"] = kind.rawValue }
        if priority != 0 { element.append(XMLElement("priority", namespace: Namespace.client, text: "\(priority)")) }
        for payload in payloads { element.append(payload) }
        return element
    }

    /// The first payload of that name and namespace.
    public func first(_ name: String, namespace: String) -> XMLElement? {
        payloads.first { $0.matches(name, namespace: namespace) }
    }
}
