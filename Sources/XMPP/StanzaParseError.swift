/// Why an element is not the stanza it should be.
public enum StanzaParseError: Error, Sendable, Hashable {
    /// The element is of another name or namespace.
    case wrongElement
    /// A required attribute or child is missing.
    case missing(String)
    /// An attribute or child has a value that it must not have.
    case invalid(String)
}
