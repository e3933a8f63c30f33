// XEP-0478: Stream Limits Advertisement
public import XML

/// What a server says it takes of a stream.
public struct StreamLimits: Sendable, Hashable {
    /// The namespace of `<limits/>` among the stream's features.
    public static let namespace = "urn:xmpp:stream-limits:0"

    /// The longest element, in bytes; `nil` when the server does not say. RFC 6120 § 13.12 permits no less than
    /// 10 000.
    public let maximumStanzaByteCount: Int?

    /// Reads what the server says, in the features of a stream.
    public init(features: XMLElement) {
        maximumStanzaByteCount = features.first("limits", namespace: Self.namespace)?.first("max-bytes")
            .flatMap { $0.text.utf8.count <= 18 ? Int($0.text) : nil }.flatMap { $0 >= 10_000 ? $0 : nil }
    }
}
