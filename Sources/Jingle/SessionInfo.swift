// XEP-0234 § 7: Informational Messages, XEP-0166 § 6.7, and Wire/Stream.md.
public import XML

/// The payload of a session-info.
public enum SessionInfo: Sendable, Hashable {
    /// The digest of a file, sent when it is known (XEP-0234 § 7.2).
    case checksum(ContentReference, FileDescription)
    /// The whole file has been received (XEP-0234 § 7.1).
    case received(ContentReference)
    /// So many bytes of a stream have come, to its end, and are with the program they are for (Wire/Stream.md).
    case delivered(ContentReference, byteCount: UInt64)
    /// Nobody takes the bytes of a stream any more; those that follow are dropped (Wire/Stream.md).
    case stopped(ContentReference)
    /// Anything else.
    case unknown(XMLElement)

    /// Which content is meant. Gajim gives neither part, Conversations no creator.
    public struct ContentReference: Sendable, Hashable {
        /// Who made the content.
        public var creator: JingleRole?
        /// The content's name.
        public var name: String?

        /// Creates a reference.
        public init(creator: JingleRole? = nil, name: String? = nil) {
            self.creator = creator
            self.name = name
        }

        /// Refers to a content by both parts.
        public init(_ id: ContentID) {
            self.init(creator: id.creator, name: id.name)
        }

        /// True when the content is not ruled out.
        public func matches(_ id: ContentID) -> Bool {
            (creator == nil || creator == id.creator) && (name == nil || name == id.name)
        }

        init(_ element: XMLElement) throws(JingleSyntaxError) {
            if let word = element["creator"] {
                guard let role = JingleRole(rawValue: word) else { throw .invalid("creator") }
                creator = role
            }
            name = try element.optional("name")
        }

        func write(to element: inout XMLElement) {
            element["creator"] = creator?.rawValue
            element["name"] = name
        }
    }

    /// Reads a child of a `<jingle/>` whose action is session-info.
    ///
    /// - Throws: `JingleSyntaxError` when a known payload breaks its specification.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        switch (element.namespace, element.name) {
        case (FileDescription.namespace, "checksum"):
            guard let file = element.first("file") else { throw .missing("file") }
            self = .checksum(try ContentReference(element), try FileDescription(file: file))
        case (FileDescription.namespace, "received"):
            self = .received(try ContentReference(element))
        case (ByteStreamDescription.namespace, "delivered"):
            guard let byteCount = UInt64(try element.required("bytes")) else { throw .invalid("bytes") }
            self = .delivered(try ContentReference(element), byteCount: byteCount)
        case (ByteStreamDescription.namespace, "stopped"):
            self = .stopped(try ContentReference(element))
        default:
            self = .unknown(element)
        }
    }

    /// The element to put into `<jingle/>`.
    public var element: XMLElement {
        switch self {
        case .checksum(let reference, let file):
            var element = XMLElement("checksum", namespace: FileDescription.namespace, children: [file.file])
            reference.write(to: &element)
            return element
        case .received(let reference):
            var element = XMLElement("received", namespace: FileDescription.namespace)
            reference.write(to: &element)
            return element
        case .delivered(let reference, let byteCount):
            var element = XMLElement(
                "delivered", namespace: ByteStreamDescription.namespace, attributes: ["bytes": String(byteCount)])
            reference.write(to: &element)
            return element
        case .stopped(let reference):
            var element = XMLElement("stopped", namespace: ByteStreamDescription.namespace)
            reference.write(to: &element)
            return element
        case .unknown(let element):
            return element
        }
    }
}
