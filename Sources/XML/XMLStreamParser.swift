internal import CXML2

/// Cuts one XML stream (RFC 6120 § 4) into its header, its stanzas and its end, with a limit on everything.
///
/// A parser reads one stream. A restarted stream (after STARTTLS or SASL) needs a new parser.
///
/// Only what RFC 6120 § 11.1 allows is accepted: no comments, processing instructions, document type declarations,
/// nor references to entities other than the five predefined ones. Nothing is ever loaded from elsewhere.
public final class XMLStreamParser {
    /// How much the peer may send.
    public struct Limits: Sendable, Hashable {
        /// The most bytes of one stanza, or of the header, including white space before it.
        public var stanzaByteCount: Int
        /// The most elements nested within each other, the root not counted.
        public var depth: Int
        /// The most attributes of one element, namespace declarations included.
        public var attributeCount: Int
        /// The most bytes of an element's or attribute's name, prefix included, or of a namespace name.
        public var nameByteCount: Int

        /// Creates limits; the defaults are far above what any client sends.
        public init(
            stanzaByteCount: Int = 1 << 20, depth: Int = 64, attributeCount: Int = 64, nameByteCount: Int = 1024
        ) {
            self.stanzaByteCount = stanzaByteCount
            self.depth = depth
            self.attributeCount = attributeCount
            self.nameByteCount = nameByteCount
        }
    }

    private let context: xmlParserCtxtPtr
    private let limits: Limits

    /// The elements that have begun and not ended, outermost first; the root stands at index 0 without children.
    private var open: [XMLElement] = []
    /// Character data not yet appended to the innermost open element.
    private var text: [UInt8] = []
    private var events: [XMLStreamEvent] = []
    private var failure: XMLStreamError?
    private var ended = false
    /// How many bytes the parser was given, and how many of them belong to finished parts.
    private var fedByteCount = 0
    private var finishedByteCount = 0

    /// Creates a parser at the start of a stream.
    public init(limits: Limits = Limits()) {
        self.limits = limits
        var handler = Self.handler()
        guard let context = xmlCreatePushParserCtxt(&handler, nil, nil, 0, nil) else {
            preconditionFailure("out of memory")
        }
        self.context = context
        context.pointee.userData = Unmanaged.passUnretained(self).toOpaque()
        // NOENT makes `&amp;` in attributes a plain "&"; there are no other entities it could replace.
        let options = [XML_PARSE_NOENT, XML_PARSE_NONET, XML_PARSE_NOERROR, XML_PARSE_NOWARNING]
        xmlCtxtUseOptions(context, options.reduce(0) { $0 | Int32($1.rawValue) })
        // Without this libxml2 would guess UTF-16 and others from the first bytes.
        xmlSwitchEncoding(context, XML_CHAR_ENCODING_UTF8)
    }

    deinit {
        xmlFreeDoc(context.pointee.myDoc)
        xmlFreeParserCtxt(context)
    }

    /// Reads the next bytes of the stream and returns what they complete, in order.
    ///
    /// The events do not depend on how the stream is cut into calls. After `.failed` or `.end` nothing is read.
    public func feed(_ bytes: some Collection<UInt8>) -> [XMLStreamEvent] {
        let read: Void? = bytes.withContiguousStorageIfAvailable { feed(contiguous: $0) }
        if read == nil { Array(bytes).withUnsafeBufferPointer { feed(contiguous: $0) } }
        defer { events = [] }
        return events
    }

    private func feed(contiguous bytes: UnsafeBufferPointer<UInt8>) {
        var rest = bytes[...]
        // In small pieces, so that a limit stops the parser soon after it was exceeded.
        while !rest.isEmpty, failure == nil, !ended {
            let piece = rest.prefix(4096)
            rest = rest.dropFirst(piece.count)
            fedByteCount += piece.count
            UnsafeBufferPointer(rebasing: piece).withMemoryRebound(to: CChar.self) {
                _ = xmlParseChunk(context, $0.baseAddress, Int32($0.count), 0)
            }
            if failure == nil, !ended, context.pointee.wellFormed == 0 {
                fail(Self.error(forCode: context.pointee.errNo))
            }
            if fedByteCount - finishedByteCount > limits.stanzaByteCount { fail(.limitExceeded(.stanzaSize)) }
        }
    }

    private func fail(_ error: XMLStreamError) {
        guard failure == nil, !ended else { return }
        failure = error
        events.append(.failed(error))
        // At once, also out of a callback: libxml2 would go on, and even store the entities that a document type
        // declares.
        xmlStopParser(context)
        open = []
        text = []
    }

    /// libxml2 reports most errors as "not well-formed"; these it can tell apart.
    private static func error(forCode code: Int32) -> XMLStreamError {
        switch xmlParserErrors(rawValue: UInt32(bitPattern: code)) {
        case XML_ERR_UNDECLARED_ENTITY, XML_WAR_UNDECLARED_ENTITY: .restricted(.entityReference)
        case XML_ERR_RESERVED_XML_NAME: .restricted(.processingInstruction)
        case XML_ERR_UNSUPPORTED_ENCODING, XML_ERR_UNKNOWN_ENCODING: .unsupportedEncoding
        default: .notWellFormed
        }
    }
}

// MARK: What libxml2 calls back

extension XMLStreamParser {
    /// The callbacks. Those left out are not called: libxml2 builds no tree, stores no entity and loads nothing.
    private static func handler() -> xmlSAXHandler {
        var handler = xmlSAXHandler()
        handler.initialized = UInt32(XML_SAX2_MAGIC)
        handler.startDocument = { XMLStreamParser.of($0)?.declarationRead() }
        handler.startElementNs = { userData, name, prefix, uri, namespaceCount, namespaces, count, _, attributes in
            XMLStreamParser.of(userData)?.began(
                ElementStart(
                    name: name, prefix: prefix, uri: uri, attributes: attributes, attributeCount: Int(count),
                    namespaces: namespaces, namespaceCount: Int(namespaceCount)))
        }
        handler.endElementNs = { userData, _, _, _ in XMLStreamParser.of(userData)?.elementEnded() }
        handler.characters = { XMLStreamParser.of($0)?.characters($1, count: Int($2)) }
        handler.cdataBlock = handler.characters
        handler.ignorableWhitespace = handler.characters
        handler.comment = { userData, _ in XMLStreamParser.of(userData)?.fail(.restricted(.comment)) }
        handler.processingInstruction = { userData, _, _ in
            XMLStreamParser.of(userData)?.fail(.restricted(.processingInstruction))
        }
        handler.internalSubset = { userData, _, _, _ in
            XMLStreamParser.of(userData)?.fail(.restricted(.documentTypeDeclaration))
        }
        handler.reference = { userData, _ in XMLStreamParser.of(userData)?.fail(.restricted(.entityReference)) }
        return handler
    }

    private static func of(_ userData: UnsafeMutableRawPointer?) -> XMLStreamParser? {
        userData.map { Unmanaged<XMLStreamParser>.fromOpaque($0).takeUnretainedValue() }
    }

    /// What `startElementNs` is given: attributes as groups of five pointers (name, prefix, namespace, first and
    /// past-the-last byte of the value), namespace declarations as pairs.
    private struct ElementStart {
        var name: UnsafePointer<xmlChar>?
        var prefix: UnsafePointer<xmlChar>?
        var uri: UnsafePointer<xmlChar>?
        var attributes: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?
        var attributeCount: Int
        var namespaces: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?
        var namespaceCount: Int
    }

    private func declarationRead() {
        guard let encoding = context.pointee.encoding else { return }
        if String(cString: encoding).lowercased() != "utf-8" { fail(.unsupportedEncoding) }
    }

    private func began(_ start: ElementStart) {
        guard failure == nil, !ended else { return }
        do throws(XMLStreamError) {
            // The root does not count.
            guard open.count <= limits.depth else { throw .limitExceeded(.depth) }
            let element = try element(start)
            flushText()
            open.append(element)
        } catch {
            return fail(error)
        }
        // libxml2 reports a start tag before it has taken its ">".
        if open.count == 1 { finish(.header(open[0]), consumedByteCount: xmlByteConsumed(context) + 1) }
    }

    private func elementEnded() {
        guard failure == nil, !ended else { return }
        flushText()
        guard let element = open.popLast() else { return }
        switch open.count {
        case 0:
            ended = true
            events.append(.end)
        case 1:
            finish(.stanza(element), consumedByteCount: xmlByteConsumed(context))
        default:
            open[open.count - 1].append(element)
        }
    }

    private func characters(_ bytes: UnsafePointer<xmlChar>?, count: Int) {
        guard failure == nil, !ended, let bytes else { return }
        let new = UnsafeBufferPointer(start: bytes, count: count)
        if open.count > 1 {
            text.append(contentsOf: new)
        } else if !new.allSatisfy({ [0x20, 0x09, 0x0A, 0x0D].contains($0) }) {
            fail(.textOutsideStanza)
        }
    }

    private func flushText() {
        guard !text.isEmpty else { return }
        open[open.count - 1].children.append(.text(String(decoding: text, as: UTF8.self)))
        text.removeAll(keepingCapacity: text.count <= 1 << 16)
    }

    /// Reports a finished part, and starts to count the bytes of the next.
    private func finish(_ event: XMLStreamEvent, consumedByteCount: Int) {
        guard consumedByteCount - finishedByteCount <= limits.stanzaByteCount else {
            return fail(.limitExceeded(.stanzaSize))
        }
        finishedByteCount = consumedByteCount
        events.append(event)
    }

    private func element(_ start: ElementStart) throws(XMLStreamError) -> XMLElement {
        guard start.attributeCount + start.namespaceCount <= limits.attributeCount else {
            throw .limitExceeded(.attributeCount)
        }
        for index in 0..<start.namespaceCount { _ = try name(start.namespaces?[2 * index + 1]) }
        let prefix = try name(start.prefix)
        guard prefix.isEmpty || start.uri != nil else { throw .undeclaredPrefix }
        var element = XMLElement(try name(start.name), namespace: try name(start.uri))
        for index in 0..<start.attributeCount {
            guard let parts = start.attributes.map({ $0 + 5 * index }), let first = parts[3], let end = parts[4] else {
                continue
            }
            let key = try attributeKey(name: parts[0], prefix: parts[1], uri: parts[2])
            let value = String(decoding: UnsafeBufferPointer(start: first, count: end - first), as: UTF8.self)
            // Two prefixes may stand for one namespace (XML Namespaces § 6.3).
            guard element.attributes.updateValue(value, forKey: key) == nil else { throw .notWellFormed }
        }
        return element
    }

    /// The key of `XMLElement.attributes`.
    private func attributeKey(
        name: UnsafePointer<xmlChar>?, prefix: UnsafePointer<xmlChar>?, uri: UnsafePointer<xmlChar>?
    ) throws(XMLStreamError) -> String {
        let prefix = try self.name(prefix)
        let name = try self.name(name)
        if prefix.isEmpty { return name }
        if prefix == "xml" { return "xml:" + name }
        guard uri != nil else { throw .undeclaredPrefix }
        return "{" + (try self.name(uri)) + "}" + name
    }

    private func name(_ name: UnsafePointer<xmlChar>?) throws(XMLStreamError) -> String {
        guard let name else { return "" }
        guard xmlStrlen(name) <= limits.nameByteCount else { throw .limitExceeded(.nameLength) }
        return String(cString: name)
    }
}
