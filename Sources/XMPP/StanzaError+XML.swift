public import XML

extension StanzaError {
    /// Reads the `<error/>` child of a stanza (RFC 6120 § 8.3). What cannot be understood becomes
    /// `undefined-condition`, since an error must never be taken for a success.
    public init(_ element: XMLElement) {
        self.init(.undefinedCondition, kind: element["type"].flatMap(Kind.init) ?? .cancel)
        for child in element.elements {
            if child.namespace != Namespace.stanzaErrors {
                if applicationCondition == nil { applicationCondition = child }
            } else if child.name == "text" {
                text = child.text
            } else if let condition = Condition(rawValue: child.name) {
                self.condition = condition
            }
        }
    }

    /// The `<error/>` element, in the namespace `jabber:client`.
    public var element: XMLElement {
        var element = XMLElement("error", namespace: Namespace.client, attributes: ["type": kind.rawValue])
        element.append(XMLElement(condition.rawValue, namespace: Namespace.stanzaErrors))
        if let text { element.append(XMLElement("text", namespace: Namespace.stanzaErrors, text: text)) }
        if let applicationCondition { element.append(applicationCondition) }
        return element
    }
}
