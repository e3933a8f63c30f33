// urn:sleigh:jingle:apps:stream-continuation:0, as Wire/Stream-Continuation.md describes it.
public import XML

/// Says in the offer and in the answer of a stream that it may go on in another session when its path is lost, and in a
/// later offer which session it goes on with.
public struct StreamContinuation: Sendable, Hashable {
    /// The namespace of `<continuation/>`, and the disco feature of those who know it.
    public static let namespace = "urn:sleigh:jingle:apps:stream-continuation:0"

    /// The identifier of the session that is gone on with; `nil` for a stream that begins.
    public let sid: String?

    /// Permits to go on, or names the session that is gone on with.
    public init(sid: String? = nil) { self.sid = sid }

    /// Reads the `<continuation/>` child of a content.
    ///
    /// - Throws: `JingleSyntaxError` when the session has an identifier that none can have.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        sid = try element.optional("sid")
    }

    /// The `<continuation/>` element.
    public var element: XMLElement {
        var element = XMLElement("continuation", namespace: Self.namespace)
        element["sid"] = sid
        return element
    }
}
