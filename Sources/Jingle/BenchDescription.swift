// Wire/Jingle-Bench.md: a measurement as a Jingle application.
public import XML

/// A measurement of the path between two devices: what is measured is agreed on over the path itself.
public enum BenchDescription {
    /// The namespace, and the disco feature.
    public static let namespace = "urn:sleigh:jingle:apps:bench:0"

    /// The `<description/>` element.
    public static var element: XMLElement { XMLElement("description", namespace: namespace) }
}
