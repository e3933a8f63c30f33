/// Why a stream of XML was given up. Every case is the peer's fault, and final: the parser reads nothing after it.
public enum XMLStreamError: Error, Sendable, Hashable {
    /// The bytes are not well-formed XML, or not UTF-8.
    case notWellFormed
    /// The XML uses what RFC 6120 § 11.1 forbids.
    case restricted(Restriction)
    /// A prefix is used that no declaration binds.
    case undeclaredPrefix
    /// The XML declaration names an encoding other than UTF-8 (RFC 6120 § 11.6).
    case unsupportedEncoding
    /// There is character data between two stanzas.
    case textOutsideStanza
    /// A limit of `XMLStreamParser.Limits` was exceeded.
    case limitExceeded(Limit)

    /// What RFC 6120 § 11.1 forbids in a stream.
    public enum Restriction: Sendable, Hashable {
        case comment, processingInstruction, documentTypeDeclaration, entityReference
    }

    /// The limits of `XMLStreamParser.Limits`.
    public enum Limit: Sendable, Hashable {
        case stanzaSize, depth, attributeCount, nameLength
    }
}
