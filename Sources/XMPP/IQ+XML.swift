public import XML

extension IQ {
    /// Reads a stanza (RFC 6120 § 8.2.3).
    ///
    /// - Throws: `StanzaParseError` when it is no valid IQ. An invalid request should be answered with
    ///   `errorAnswer(toInvalid:)`.
    public init(_ element: XMLElement) throws(StanzaParseError) {
        guard element.matches("iq", namespace: Namespace.client) else { throw .wrongElement }
        guard let id = element["id"], !id.isEmpty else { throw .missing("id") }
        guard let type = element["type"] else { throw .missing("type") }
        let content: Content
        switch type {
        case "get", "set":
            let payloads = element.elements
            guard let payload = payloads.first else { throw .missing("payload") }
            guard payloads.count == 1 else { throw .invalid("payload") }
            content = type == "get" ? .get(payload) : .set(payload)
        case "result":
            guard element.elements.count <= 1 else { throw .invalid("payload") }
            content = .result(element.elements.first)
        case "error":
            guard let error = element.first("error") else { throw .missing("error") }
            content = .error(StanzaError(error))
        default: throw .invalid("type")
        }
        self.init(
            from: try JID(attribute: "from", of: element), to: try JID(attribute: "to", of: element), id: id,
            content: content)
    }

    /// The stanza, in the namespace `jabber:client`.
    public var element: XMLElement {
        var element = XMLElement("iq", namespace: Namespace.client, attributes: ["id": id])
        element["from"] = from?.description
        element["to"] = to?.description
        switch content {
        case .get(let payload):
            element["type"] = "get"
            element.append(payload)
        case .set(let payload):
            element["type"] = "set"
            element.append(payload)
        case .result(let payload):
            element["type"] = "result"
            if let payload { element.append(payload) }
        case .error(let error):
            element["type"] = "error"
            element.append(error.element)
        }
        return element
    }

    /// The payload of a request; `nil` for an answer.
    public var request: XMLElement? {
        switch content {
        case .get(let payload), .set(let payload): payload
        case .result, .error: nil
        }
    }

    /// The successful answer to this request.
    public func result(_ payload: XMLElement? = nil) -> IQ {
        IQ(to: from, id: id, content: .result(payload))
    }

    /// The refusal of this request.
    public func refusal(_ error: StanzaError) -> IQ {
        IQ(to: from, id: id, content: .error(error))
    }

    /// The answer that a request gets that `init(_:)` does not accept; `nil` when it is no request, or when it is
    /// not known whom to answer.
    public static func errorAnswer(toInvalid element: XMLElement) -> XMLElement? {
        guard element.matches("iq", namespace: Namespace.client), ["get", "set"].contains(element["type"]),
            let id = element["id"], !id.isEmpty
        else { return nil }
        let from = element["from"].flatMap { JID($0) }
        guard from != nil || element["from"] == nil else { return nil }
        return IQ(to: from, id: id, content: .error(StanzaError(.badRequest, kind: .modify))).element
    }
}

extension JID {
    /// Reads an optional address attribute.
    init?(attribute: String, of element: XMLElement) throws(StanzaParseError) {
        guard let text = element[attribute] else { return nil }
        guard let jid = JID(text) else { throw .invalid(attribute) }
        self = jid
    }
}
