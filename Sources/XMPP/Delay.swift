// XEP-0203: Delayed Delivery
internal import XML

/// The note that a stanza was not delivered when it was sent.
public struct Delay: Sendable, Hashable {
    static let namespace = "urn:xmpp:delay"

    /// Who held the stanza back; `nil` when not told.
    public var from: JID?
    /// When the stanza was sent.
    public var stamp: Timestamp

    /// Reads the note of a message; `nil` when there is no valid one.
    public init?(_ message: Message) { self.init(message.first("delay", namespace: Self.namespace)) }

    /// Reads the note of a presence, which was sent before we were there to see it; `nil` when there is no valid one.
    public init?(_ presence: Presence) { self.init(presence.first("delay", namespace: Self.namespace)) }

    private init?(_ element: XMLElement?) {
        guard let element, let stamp = element["stamp"].flatMap({ Timestamp($0) }) else { return nil }
        from = element["from"].flatMap { JID($0) }
        self.stamp = stamp
    }
}
