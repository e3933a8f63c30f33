// urn:sleigh:jingle:apps:file-continuation:0, as Wire/File-Continuation.md describes it.
public import XML

/// Says in the offer of a file that it goes on with an earlier session, whose path was lost.
public struct FileContinuation: Sendable, Hashable {
    /// The namespace of `<continues/>`, and the disco feature of those who know it.
    public static let namespace = "urn:sleigh:jingle:apps:file-continuation:0"

    /// The identifier of the earlier session.
    public let sid: String

    /// Names the session that is gone on with.
    public init(sid: String) { self.sid = sid }

    /// What an offered file says; `nil` when it goes on with nothing.
    public init?(_ file: FileDescription) {
        let element = file.extensions.first { $0.name == "continues" && $0.namespace == Self.namespace }
        guard let sid = element?["sid"], !sid.isEmpty, sid.utf8.count <= JingleLimit.identifierByteCount else {
            return nil
        }
        self.sid = sid
    }

    /// The `<continues/>` element, for the extensions of a `FileDescription`.
    public var element: XMLElement {
        XMLElement("continues", namespace: Self.namespace, attributes: ["sid": sid])
    }
}
