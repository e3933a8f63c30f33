// XEP-0234: Jingle File Transfer, § 3 (application format).
public import XML
public import XMPP

/// A file that is offered or asked for.
///
/// Everything is as the peer said: a name may be a path or worse, and becomes a local name only through the one
/// function of `FileTransfer` that does that.
public struct FileDescription: Sendable, Hashable {
    /// The namespace of `<description/>`, and the disco feature (XEP-0234 § 10).
    public static let namespace = "urn:xmpp:jingle:apps:file-transfer:5"

    /// The part of the file that is wanted, in bytes from its start.
    public struct Range: Sendable, Hashable {
        /// Where it starts.
        public var offset: UInt64
        /// How long it is; `nil` up to the end of the file.
        public var length: UInt64?
        /// Digests of this part of the file, in a `<checksum/>`.
        public var hashes: [Hash] = []

        /// Creates a range; without arguments the one that only says ranges are supported.
        public init(offset: UInt64 = 0, length: UInt64? = nil) {
            self.offset = offset
            self.length = length
        }
    }

    /// The name; not safe to use or print.
    public var name: String?
    /// The length in bytes, at most 2^63 - 1.
    public var size: UInt64?
    /// When it was last changed. A date that cannot be read counts as absent.
    public var date: Timestamp?
    /// The media type.
    public var mediaType: String?
    /// A description for people; the first one when there are several languages.
    public var desc: String?
    /// Digests of the whole file, one for each function.
    public var hashes: [Hash] = []
    /// The functions of digests that follow in a `<checksum/>`.
    public var hashesUsed: [Hash.Algorithm] = []
    /// Support of ranged transfers, and the part that is wanted.
    public var range: Range?
    /// Child elements not known here, such as thumbnails and hashes that are of no use.
    public var extensions: [XMLElement] = []

    /// Creates a description.
    public init(name: String? = nil, size: UInt64? = nil) {
        self.name = name
        self.size = size
    }

    /// Reads a `<description/>` element. Without a `<file/>` (Psi answers so, Libervia proposes so) everything is
    /// unknown.
    ///
    /// - Throws: `JingleSyntaxError` when a size or range is not a number, something is there twice, or too long.
    public init(description: XMLElement) throws(JingleSyntaxError) {
        let files = description.all("file", namespace: Self.namespace)
        guard files.count <= 1 else { throw .invalid("file") }
        if let file = files.first { try self.init(file: file) } else { self.init() }
    }

    /// Reads a `<file/>` element.
    ///
    /// - Throws: `JingleSyntaxError` when a size or range is not a number, something is there twice, or too long.
    public init(file: XMLElement) throws(JingleSyntaxError) {
        for child in file.elements {
            switch (child.namespace, child.name) {
            case (Self.namespace, "name"):
                guard name == nil else { throw .invalid("name") }
                name = try child.limitedText(JingleLimit.fileNameByteCount)
            case (Self.namespace, "size"):
                guard size == nil, let number = Int64(decimal: child.text) else { throw .invalid("size") }
                size = UInt64(number)
            case (Self.namespace, "date"):
                date = date ?? Self.date(child.text)
            case (Self.namespace, "media-type"), (Self.namespace, "mediaType"):
                let type = try child.limitedText(JingleLimit.mediaTypeByteCount).trimmed
                if !type.isEmpty { mediaType = mediaType ?? type }
            case (Self.namespace, "desc"):
                let text = try child.limitedText(JingleLimit.textByteCount)
                if !text.isEmpty { desc = desc ?? text }
            case (Self.namespace, "range"):
                guard range == nil else { throw .invalid("range") }
                range = try Range(child)
            case (Hash.namespace, "hash"), (Hash.namespace, "hash-used"):
                try read(hash: child)
            default:
                try keep(child)
            }
        }
    }

    /// Reads a date; Gajim 1.7 writes the zone twice (`+00:00Z`).
    private static func date(_ text: String) -> Timestamp? {
        let text = text.trimmed
        return Timestamp(text) ?? (text.hasSuffix("Z") ? Timestamp(String(text.dropLast())) : nil)
    }

    private mutating func read(hash child: XMLElement) throws(JingleSyntaxError) {
        guard hashes.count + hashesUsed.count < JingleLimit.hashCount else { throw .tooMany(child.name) }
        if let hash = Hash(child) {
            if !hashes.contains(where: { $0.algorithm == hash.algorithm }) { hashes.append(hash) }
        } else if let algorithm = child["algo"].flatMap(Hash.Algorithm.init),
            // An empty <hash/> is the older way to write <hash-used/> (§ 3).
            child.name == "hash-used" || child.text.trimmed.isEmpty
        {
            if !hashesUsed.contains(algorithm) { hashesUsed.append(algorithm) }
        } else {
            // Of a function unknown here, or of the wrong length: as good as none.
            try keep(child)
        }
    }

    private mutating func keep(_ child: XMLElement) throws(JingleSyntaxError) {
        guard extensions.count < JingleLimit.extensionCount else { throw .tooMany("file") }
        extensions.append(child)
    }

    /// The `<description/>` element.
    public var description: XMLElement {
        XMLElement("description", namespace: Self.namespace, children: [file])
    }

    /// The `<file/>` element.
    public var file: XMLElement {
        var file = XMLElement("file", namespace: Self.namespace)
        let texts = [
            ("name", name), ("size", size.map { String($0) }), ("date", date?.description), ("media-type", mediaType),
            ("desc", desc),
        ]
        for case (let name, let text?) in texts {
            file.append(XMLElement(name, namespace: Self.namespace, text: text))
        }
        if let range { file.append(range.element) }
        for hash in hashes { file.append(hash.element) }
        for algorithm in hashesUsed { file.append(algorithm.announcement) }
        for child in extensions { file.append(child) }
        return file
    }
}

extension FileDescription.Range {
    init(_ element: XMLElement) throws(JingleSyntaxError) {
        let offset = try element.number("offset", as: Int64.self) ?? 0
        let length = try element.number("length", as: Int64.self)
        guard !offset.addingReportingOverflow(length ?? 0).overflow else { throw .invalid("length") }
        self.init(offset: UInt64(offset), length: length.map { UInt64($0) })
        for child in element.all("hash", namespace: Hash.namespace) {
            guard hashes.count < JingleLimit.hashCount else { throw .tooMany("hash") }
            if let hash = Hash(child) { hashes.append(hash) }
        }
    }

    var element: XMLElement {
        var element = XMLElement("range", namespace: FileDescription.namespace, children: hashes.map(\.element))
        if offset > 0 { element["offset"] = String(offset) }
        if let length { element["length"] = String(length) }
        return element
    }
}
