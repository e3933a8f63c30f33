// XEP-0353: Jingle Message Initiation, version 0.8.0 (and the <accept/> of 0.3).
public import XML
public import XMPP

/// A message that prepares, answers or closes a session before and beside its IQs.
public struct JingleMessage: Sendable, Hashable {
    /// The namespace, and the disco feature.
    public static let namespace = "urn:xmpp:jingle-message:0"

    /// What is said.
    public enum Content: Sendable, Hashable {
        /// The initiator wants a session with these descriptions (§ 3.1).
        case propose([ContentDescription])
        /// A device of the responder asks its user (§ 3.2).
        case ringing
        /// A device of the responder takes the session (§ 3.4).
        case proceed
        /// The responder does not want it (§ 3.5).
        case reject(Reason?, isTieBreak: Bool)
        /// The initiator does not want it any more (§ 3.3).
        case retract(Reason?, isTieBreak: Bool)
        /// The session is over (§ 3.7), or goes on as another one (§ 4.2).
        case finish(Reason?, migratedTo: String?)
        /// A device of the responder took the session, told to its other devices by version 0.3, as Libervia does.
        case accept
    }

    /// The identifier, which becomes that of the Jingle session.
    public var id: String
    /// What is said.
    public var content: Content

    /// Creates a message.
    public init(id: String, _ content: Content) {
        self.id = id
        self.content = content
    }

    /// Reads the Jingle message in a message stanza; `nil` when there is none.
    ///
    /// - Throws: `JingleSyntaxError` when there is one, but malformed.
    public init?(_ message: Message) throws(JingleSyntaxError) {
        guard let element = message.payloads.first(where: { $0.namespace == Self.namespace }) else { return nil }
        try self.init(element)
    }

    /// Reads the element.
    ///
    /// - Throws: `JingleSyntaxError` when the name is unknown, the identifier missing, or a part malformed.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        id = try element.required("id")
        var reason: Reason?
        if let child = element.first("reason", namespace: Jingle.namespace) { reason = try Reason(child) }
        let isTieBreak = element.first("tie-break") != nil
        switch element.name {
        case "propose":
            // The schema wants one, and what else can be proposed has no other name.
            let children = element.elements.filter { $0.name == "description" }
            guard !children.isEmpty else { throw .missing("description") }
            guard children.count <= JingleLimit.descriptionCount else { throw .tooMany("description") }
            var descriptions: [ContentDescription] = []
            for child in children { descriptions.append(try ContentDescription(child)) }
            content = .propose(descriptions)
        case "ringing": content = .ringing
        case "proceed": content = .proceed
        case "reject": content = .reject(reason, isTieBreak: isTieBreak)
        case "retract": content = .retract(reason, isTieBreak: isTieBreak)
        case "finish": content = .finish(reason, migratedTo: try element.first("migrated")?.required("to"))
        case "accept": content = .accept
        default: throw .invalid("jingle-message")
        }
    }

    /// The element.
    public var element: XMLElement {
        var element = XMLElement(name, namespace: Self.namespace, attributes: ["id": id])
        switch content {
        case .propose(let descriptions):
            for description in descriptions { element.append(description.element) }
        case .reject(let reason, let isTieBreak), .retract(let reason, let isTieBreak):
            if let reason { element.append(reason.element) }
            if isTieBreak { element.append(XMLElement("tie-break", namespace: Self.namespace)) }
        case .finish(let reason, let sid):
            if let reason { element.append(reason.element) }
            if let sid {
                element.append(XMLElement("migrated", namespace: Self.namespace, attributes: ["to": sid]))
            }
        case .ringing, .proceed, .accept:
            break
        }
        return element
    }

    /// The stanza: of type `chat`, with the hint to store it (§ 3).
    ///
    /// - Parameter stanzaID: an identifier for the stanza, by which an error can be told apart.
    public func message(to recipient: JID, stanzaID: String? = nil) -> Message {
        Message(to: recipient, id: stanzaID, kind: .chat, payloads: [element, MessageHint.store.element])
    }

    private var name: String {
        switch content {
        case .propose: "propose"
        case .ringing: "ringing"
        case .proceed: "proceed"
        case .reject: "reject"
        case .retract: "retract"
        case .finish: "finish"
        case .accept: "accept"
        }
    }
}
