/// What a stream parser found.
public enum XMLStreamEvent: Sendable, Hashable {
    /// The root's start tag: the root element, without children.
    case header(XMLElement)
    /// A complete child of the root.
    case stanza(XMLElement)
    /// The root's end tag.
    case end
    /// The stream cannot be read any further; nothing follows.
    case failed(XMLStreamError)
}
