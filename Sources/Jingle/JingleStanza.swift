// XEP-0166 § 7.1: Jingle Element.
public import XML
public import XMPP

/// A `<jingle/>` element: the payload of one request.
public struct JingleStanza: Sendable, Hashable {
    /// What is asked for.
    public var action: JingleAction
    /// The session.
    public var sid: String
    /// Who started the session; said in session-initiate only, and never believed instead of the sender's address.
    public var initiator: JID?
    /// Who answers; said in session-accept only, and never believed instead of the sender's address.
    public var responder: JID?
    /// The contents concerned.
    public var contents: [Content]
    /// Why.
    public var reason: Reason?
    /// The other child elements: payloads of session-info, groups of contents, and what is not known.
    public var payload: [XMLElement]

    /// Creates a request.
    public init(
        _ action: JingleAction, sid: String, contents: [Content] = [], reason: Reason? = nil,
        payload: [XMLElement] = []
    ) {
        self.action = action
        self.sid = sid
        self.contents = contents
        self.reason = reason
        self.payload = payload
    }

    /// Reads a `<jingle/>` element.
    ///
    /// - Throws: `JingleSyntaxError` when the action is unknown, the session identifier missing, or a part
    ///   malformed.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        guard element.matches("jingle", namespace: Jingle.namespace) else { throw .missing("jingle") }
        guard let action = JingleAction(rawValue: try element.required("action")) else { throw .invalid("action") }
        self.init(action, sid: try element.required("sid"))
        initiator = element["initiator"].flatMap { JID($0) }
        responder = element["responder"].flatMap { JID($0) }
        var names: Set<ContentID> = []
        for child in element.elements {
            if child.matches("content", namespace: Jingle.namespace) {
                guard contents.count < JingleLimit.contentCount else { throw .tooMany("content") }
                let content = try Content(child, in: action)
                guard names.insert(content.id).inserted else { throw .invalid("content") }
                contents.append(content)
            } else if child.matches("reason", namespace: Jingle.namespace) {
                guard reason == nil else { throw .invalid("reason") }
                reason = try Reason(child)
            } else {
                guard payload.count < JingleLimit.extensionCount else { throw .tooMany("jingle") }
                payload.append(child)
            }
        }
    }

    /// The `<jingle/>` element, to be sent as the payload of an IQ of type `set`.
    public var element: XMLElement {
        var element = XMLElement(
            "jingle", namespace: Jingle.namespace, attributes: ["action": action.rawValue, "sid": sid])
        element["initiator"] = initiator?.description
        element["responder"] = responder?.description
        for content in contents { element.append(content.element) }
        if let reason { element.append(reason.element) }
        for child in payload { element.append(child) }
        return element
    }
}
