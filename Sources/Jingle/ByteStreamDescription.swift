// Wire/Stream.md: a stream of bytes as a Jingle application.
public import XML

/// A stream of bytes in both directions, whose length nobody knows: there is nothing to describe.
public enum ByteStreamDescription {
    /// The namespace, and the disco feature.
    public static let namespace = "urn:sleigh:jingle:apps:stream:0"

    /// The `<description/>` element.
    public static var element: XMLElement { XMLElement("description", namespace: namespace) }
}
