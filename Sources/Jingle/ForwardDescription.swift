// Wire/Forward.md: forwarded connections as a Jingle application.
public import XML

/// Any number of forwarded connections: what they are is said on their streams, so there is nothing to describe.
public enum ForwardDescription {
    /// The namespace, and the disco feature.
    public static let namespace = "urn:sleigh:jingle:apps:forward:0"

    /// The `<description/>` element.
    public static var element: XMLElement { XMLElement("description", namespace: namespace) }
}
