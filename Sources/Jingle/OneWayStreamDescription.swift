// Libervia's stream application: one direction, from the initiator of the session.
public import XML

/// A stream of bytes in one direction, as Libervia's `li pipe` has it: there is nothing to describe, and no entity says
/// in service discovery that it takes one.
public enum OneWayStreamDescription {
    /// The namespace. It is no disco feature.
    public static let namespace = "http://salut-a-toi.org/protocol/stream"

    /// The `<description/>` element.
    public static var element: XMLElement { XMLElement("description", namespace: namespace) }
}
