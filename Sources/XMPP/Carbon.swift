// XEP-0280: Message Carbons
public import XML

/// A copy of a message that another device of the own account sent or received.
public struct Carbon: Sendable, Hashable {
    /// The namespace, and the feature of servers that make copies.
    public static let namespace = "urn:xmpp:carbons:2"
    private static let forwardNamespace = "urn:xmpp:forward:0"

    /// Which way the message went.
    public enum Direction: String, Sendable, Hashable {
        case received, sent
    }

    /// Which way the message went.
    public var direction: Direction
    /// The message itself.
    public var message: Message

    /// Unwraps a copy; `nil` when the message is none.
    ///
    /// Only the own server may send copies, in the name of the own bare address; anybody else could use one to forge
    /// messages (§ 11), so theirs are none.
    public init?(_ message: Message, account: JID) {
        guard message.from == nil || message.from == account.bare else { return nil }
        for direction in [Direction.received, .sent] {
            guard let wrapper = message.first(direction.rawValue, namespace: Self.namespace) else { continue }
            guard let forwarded = wrapper.first("forwarded", namespace: Self.forwardNamespace),
                let element = forwarded.first("message", namespace: Namespace.client),
                let inner = try? Message(element)
            else { return nil }
            self.direction = direction
            self.message = inner
            return
        }
        return nil
    }

    /// The payload of the request that switches copies on (§ 4).
    public static var enableRequest: XMLElement { XMLElement("enable", namespace: namespace) }
}
