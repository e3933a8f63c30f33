// RFC 6121 § 2: the account's list of contacts
public import XML

/// The contacts of an account, and who sees whose presence.
public struct Roster: Sendable, Hashable {
    /// The namespace.
    public static let namespace = "jabber:iq:roster"

    /// The most contacts that are kept.
    public static let maximumCount = 10_000

    /// Who sees whose presence (§ 2.1.2.5).
    public enum Subscription: String, Sendable, Hashable {
        /// Neither sees the other's.
        case none
        /// The account sees the contact's.
        case to
        /// The contact sees the account's.
        case from
        /// Both see each other's.
        case both

        /// True when the account sees the contact's presence.
        public var seesContact: Bool { self == .to || self == .both }
    }

    /// One contact.
    public struct Item: Sendable, Hashable {
        /// Who sees whose presence.
        public var subscription: Subscription
        /// True when the account has asked to see the contact's presence and has no answer yet (§ 2.1.2.2).
        public var isAsking: Bool
    }

    /// The contacts, by bare address.
    public var items: [JID: Item]

    /// Reads a `<query/>` element. Items without a valid address or subscription are left out.
    ///
    /// - Throws: `StanzaParseError` when it is another element.
    public init(_ element: XMLElement) throws(StanzaParseError) {
        guard element.matches("query", namespace: Self.namespace) else { throw .wrongElement }
        items = [:]
        for item in element.all("item") where items.count < Self.maximumCount {
            guard let address = item["jid"].flatMap({ JID($0) }),
                let subscription = Subscription(rawValue: item["subscription"] ?? "none")
            else { continue }
            items[address.bare] = Item(subscription: subscription, isAsking: item["ask"] == "subscribe")
        }
    }

    /// The payload of a request for the roster (§ 2.1.3).
    public static var request: XMLElement { XMLElement("query", namespace: namespace) }
}
