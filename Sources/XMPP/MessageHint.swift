// XEP-0334: Message Processing Hints
public import XML

/// What a sender asks servers to do with a message.
public enum MessageHint: String, Sendable, Hashable {
    /// Make no carbon copies.
    case noCopy = "no-copy"
    /// Keep it in no archive.
    case noPermanentStore = "no-permanent-store"
    /// Keep it nowhere, not even until the recipient comes on line.
    case noStore = "no-store"
    /// Keep it even though it has no body.
    case store

    static let namespace = "urn:xmpp:hints"

    /// The element to put into the message.
    public var element: XMLElement { XMLElement(rawValue, namespace: Self.namespace) }
}
