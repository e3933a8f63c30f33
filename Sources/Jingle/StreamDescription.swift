// Wire/Stream.md: a stream of bytes as a Jingle application.
public import XML

/// A stream of bytes whose length nobody knows.
public enum StreamDescription: Sendable, Hashable, CaseIterable {
    /// In both directions, each of which ends on its own: ours.
    case duplex
    /// From the initiator to the responder: Libervia's.
    case oneWay

    /// The namespace of the stream in both directions, and its disco feature.
    public static let namespace = "urn:sleigh:jingle:apps:stream:0"
    /// The namespace of Libervia's, which it does not advertise.
    public static let oneWayNamespace = "http://salut-a-toi.org/protocol/stream"

    /// The namespace, which names the application.
    public var namespace: String {
        switch self {
        case .duplex: Self.namespace
        case .oneWay: Self.oneWayNamespace
        }
    }

    /// The stream that a `<description/>` of that namespace is of; there is nothing in it.
    init?(namespace: String) {
        guard let description = Self.allCases.first(where: { $0.namespace == namespace }) else { return nil }
        self = description
    }

    /// The `<description/>` element.
    public var element: XMLElement { XMLElement("description", namespace: namespace) }
}
