// XEP-0198: Stream Management
public import XML

/// Acknowledged and resumable streams, as far as finding out whether a server offers them goes.
public enum StreamManagement {
    /// The namespace.
    public static let namespace = "urn:xmpp:sm:3"

    /// True when the server offers it among the features of a stream that is logged in (§ 2).
    public static func isOffered(in features: XMLElement) -> Bool {
        features.first("sm", namespace: namespace) != nil
    }
}
