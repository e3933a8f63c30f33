// XEP-0030: Service Discovery § 4
public import XML

/// The addresses an entity knows of, such as the components of a server: the answer to a disco#items request.
public struct ServiceDiscoveryItems: Sendable, Hashable {
    /// The namespace.
    public static let namespace = "http://jabber.org/protocol/disco#items"

    /// The most items that are kept; a server lists a handful.
    public static let maximumCount = 200

    /// The addresses, without those that are about a node.
    public var addresses: [JID]

    /// Reads a `<query/>` element; items without a valid address are left out.
    ///
    /// - Throws: `StanzaParseError` when it is another element.
    public init(_ element: XMLElement) throws(StanzaParseError) {
        guard element.matches("query", namespace: Self.namespace) else { throw .wrongElement }
        let items = element.all("item").lazy.filter { $0["node"] == nil }
        addresses = Array(items.compactMap { $0["jid"].flatMap { JID($0) } }.prefix(Self.maximumCount))
    }

    /// The payload of a request.
    public static var request: XMLElement { XMLElement("query", namespace: namespace) }
}
