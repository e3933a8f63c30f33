// XEP-0166 § 7.3: Content Element.
public import XML

/// What names a content in a session, for both parties.
public struct ContentID: Sendable, Hashable {
    /// The party that made the content.
    public var creator: JingleRole
    /// The name that party gave it; not safe to print.
    public var name: String

    /// Creates an identifier.
    public init(creator: JingleRole, name: String) {
        self.creator = creator
        self.name = name
    }
}

/// The application of a content: the "what".
public enum ContentDescription: Sendable, Hashable {
    /// A file (XEP-0234).
    case fileTransfer(FileDescription)
    /// A stream of bytes in both directions (Wire/Stream.md).
    case stream
    /// Forwarded connections (Wire/Forward.md).
    case forward
    /// A stream of bytes in one direction (Libervia's).
    case oneWayStream
    /// A measurement of the path (Wire/Jingle-Bench.md).
    case bench
    /// Any other application, or one that need not be understood, as received.
    case unknown(XMLElement)

    /// Reads a `<description/>` element.
    ///
    /// - Throws: `JingleSyntaxError` when a known application breaks its specification.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        self =
            switch element.namespace {
            case FileDescription.namespace: .fileTransfer(try FileDescription(description: element))
            case ByteStreamDescription.namespace: .stream
            case ForwardDescription.namespace: .forward
            case OneWayStreamDescription.namespace: .oneWayStream
            case BenchDescription.namespace: .bench
            default: .unknown(element)
            }
    }

    /// The `<description/>` element.
    public var element: XMLElement {
        switch self {
        case .fileTransfer(let file): file.description
        case .stream: ByteStreamDescription.element
        case .forward: ForwardDescription.element
        case .oneWayStream: OneWayStreamDescription.element
        case .bench: BenchDescription.element
        case .unknown(let element): element
        }
    }

    /// The namespace, which names the application.
    public var namespace: String {
        switch self {
        case .fileTransfer: FileDescription.namespace
        case .stream: ByteStreamDescription.namespace
        case .forward: ForwardDescription.namespace
        case .oneWayStream: OneWayStreamDescription.namespace
        case .bench: BenchDescription.namespace
        case .unknown(let element): element.namespace
        }
    }
}

/// The transport of a content: the "how".
public enum ContentTransport: Sendable, Hashable {
    /// Our own transport for UDP and direct TCP.
    case iceQUIC(ICEQUICTransportDescription)
    /// SOCKS5 bytestreams (XEP-0260).
    case socks5(SOCKS5TransportDescription)
    /// In-band bytestreams (XEP-0261).
    case inBand(InBandTransportDescription)
    /// Any other transport, or one that need not be understood, as received.
    case unknown(XMLElement)

    /// Reads a `<transport/>` element.
    ///
    /// - Throws: `JingleSyntaxError` when a known transport breaks its specification.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        self =
            switch element.namespace {
            case ICEQUICTransportDescription.namespace: .iceQUIC(try ICEQUICTransportDescription(element))
            case SOCKS5TransportDescription.namespace: .socks5(try SOCKS5TransportDescription(element))
            case InBandTransportDescription.namespace: .inBand(try InBandTransportDescription(element))
            default: .unknown(element)
            }
    }

    /// The `<transport/>` element.
    public var element: XMLElement {
        switch self {
        case .iceQUIC(let transport): transport.element
        case .socks5(let transport): transport.element
        case .inBand(let transport): transport.element
        case .unknown(let element): element
        }
    }

    /// The namespace, which names the transport.
    public var namespace: String {
        switch self {
        case .iceQUIC: ICEQUICTransportDescription.namespace
        case .socks5: SOCKS5TransportDescription.namespace
        case .inBand: InBandTransportDescription.namespace
        case .unknown(let element): element.namespace
        }
    }
}

/// A `<content/>` element: whole in an offer or answer, in part in the actions about one.
public struct Content: Sendable, Hashable {
    /// What names it in the session.
    public var id: ContentID
    /// Who sends, as written; absent, it means `both`.
    public var senders: Senders?
    /// How it is to be interpreted; `session` unless it says otherwise.
    public var disposition: String
    /// The application.
    public var description: ContentDescription?
    /// The transport.
    public var transport: ContentTransport?
    /// A security precondition (XEP-0166 § 9), such as JET (XEP-0391); the session refuses contents with one.
    public var security: XMLElement?
    /// The most that whoever wrote the element wants the other party to send for it (Wire/Limit.md).
    public var limit: RateLimit?
    /// Whether the stream may go on in another session, or which one it goes on with (Wire/Stream-Continuation.md).
    public var continuation: StreamContinuation?
    /// Child elements not known here.
    public var extensions: [XMLElement] = []

    /// Creates a content.
    public init(
        _ id: ContentID, senders: Senders? = nil, description: ContentDescription? = nil,
        transport: ContentTransport? = nil
    ) {
        self.id = id
        self.senders = senders
        self.disposition = "session"
        self.description = description
        self.transport = transport
    }

    /// Who sends (XEP-0166 § 7.3: the default is `both`).
    public var direction: Senders { senders ?? .both }

    /// The file, when the application is file transfer.
    public var file: FileDescription? {
        if case .fileTransfer(let file)? = description { file } else { nil }
    }

    /// Reads a `<content/>` element. A missing creator is the initiator, which is the default of § 7.3.
    ///
    /// - Parameter action: what is asked for. In one that does away with the content or its transport a part that cannot be
    ///   read is kept as received: Gajim rejects a transport with an empty element.
    /// - Throws: `JingleSyntaxError` when the name is missing, a word is unknown, or a part is malformed.
    public init(_ element: XMLElement, in action: JingleAction) throws(JingleSyntaxError) {
        guard let creator = JingleRole(rawValue: element["creator"] ?? "initiator") else { throw .invalid("creator") }
        self.init(ContentID(creator: creator, name: try element.required("name")))
        if let word = element["senders"] {
            guard let senders = Senders(rawValue: word) else { throw .invalid("senders") }
            self.senders = senders
        }
        disposition = try element.optional("disposition") ?? disposition
        for child in element.elements {
            switch child.name {
            case "description":
                guard description == nil else { throw .invalid("description") }
                description = try Self.part(child, in: action, ContentDescription.init, ContentDescription.unknown)
            case "transport":
                guard transport == nil else { throw .invalid("transport") }
                transport = try Self.part(child, in: action, ContentTransport.init, ContentTransport.unknown)
            case "security":
                guard security == nil else { throw .invalid("security") }
                security = child
            case "limit" where child.namespace == RateLimit.namespace:
                guard limit == nil else { throw .invalid("limit") }
                limit = try RateLimit(child)
            case "continuation" where child.namespace == StreamContinuation.namespace:
                guard continuation == nil else { throw .invalid("continuation") }
                continuation = try StreamContinuation(child)
            default:
                guard extensions.count < JingleLimit.extensionCount else { throw .tooMany("content") }
                extensions.append(child)
            }
        }
    }

    private static func part<Part>(
        _ element: XMLElement, in action: JingleAction,
        _ read: (XMLElement) throws(JingleSyntaxError) -> Part, _ keep: (XMLElement) -> Part
    ) throws(JingleSyntaxError) -> Part {
        do {
            return try read(element)
        } catch {
            guard action.isDismissal else { throw error }
            return keep(element)
        }
    }

    /// The `<content/>` element.
    public var element: XMLElement {
        var element = XMLElement(
            "content", namespace: Jingle.namespace, attributes: ["creator": id.creator.rawValue, "name": id.name])
        element["senders"] = senders?.rawValue
        if disposition != "session" { element["disposition"] = disposition }
        for child in [description?.element, transport?.element, security, limit?.element, continuation?.element] {
            if let child { element.append(child) }
        }
        for child in extensions { element.append(child) }
        return element
    }
}
