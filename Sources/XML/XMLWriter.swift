/// Writes elements as XML 1.0 text, escaped, without white space of its own.
///
/// Prefixes are not used for elements: `xmlns` is declared wherever the namespace changes. Characters that XML 1.0
/// does not allow are left out. Attributes are written in the order of their names, so that equal elements give
/// equal text.
public struct XMLWriter: Sendable {
    /// What was written so far.
    public private(set) var output = ""

    /// Creates a writer that has written nothing.
    public init() {}

    /// Writes an element and all it contains.
    ///
    /// - Parameter defaultNamespace: the namespace that `xmlns` stands for where the element is written.
    public mutating func write(_ element: XMLElement, defaultNamespace: String = "") {
        writeTag(element, defaultNamespace: defaultNamespace)
        guard !element.children.isEmpty else {
            output += "/>"
            return
        }
        output += ">"
        for child in element.children {
            switch child {
            case .element(let child): write(child, defaultNamespace: element.namespace)
            case .text(let text): writeEscaped(text, inAttribute: false)
            }
        }
        output += "</"
        output += element.name
        output += ">"
    }

    /// Writes the XML declaration and the start tag of a stream (RFC 6120 § 4.7, § 4.8).
    ///
    /// - Parameters:
    ///   - namespace: the namespace of the stream itself, bound to the prefix `stream`.
    ///   - contentNamespace: the default namespace, that of the stanzas.
    ///   - attributes: names without a namespace, or with the prefix `xml`.
    public mutating func writeStreamHeader(
        namespace: String, contentNamespace: String, attributes: [String: String]
    ) {
        output += "<?xml version='1.0'?><stream:stream"
        writeAttribute("xmlns", contentNamespace)
        writeAttribute("xmlns:stream", namespace)
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) { writeAttribute(name, value) }
        output += ">"
    }

    /// Writes the start tag without its end.
    private mutating func writeTag(_ element: XMLElement, defaultNamespace: String) {
        output += "<"
        output += element.name
        if element.namespace != defaultNamespace { writeAttribute("xmlns", element.namespace) }
        var prefixCount = 0
        for (key, value) in element.attributes.sorted(by: { $0.key < $1.key }) {
            guard key.first == "{", let brace = key.lastIndex(of: "}") else {
                writeAttribute(key, value)
                continue
            }
            let prefix = "a\(prefixCount)"
            prefixCount += 1
            writeAttribute("xmlns:" + prefix, String(key[key.index(after: key.startIndex)..<brace]))
            writeAttribute(prefix + ":" + key[key.index(after: brace)...], value)
        }
    }

    private mutating func writeAttribute(_ name: String, _ value: String) {
        output += " "
        output += name
        output += "='"
        writeEscaped(value, inAttribute: true)
        output += "'"
    }

    private mutating func writeEscaped(_ text: String, inAttribute: Bool) {
        // Long text, such as base64, mostly has nothing to escape.
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && !Self.isMarkup($0) }) {
            output += text
            return
        }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": output += "&amp;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "'": output += "&apos;"
            case "\"": output += "&quot;"
            // A reader would turn these into other white space (XML 1.0 § 2.11, § 3.3.3).
            case "\r": output += "&#13;"
            case "\n" where inAttribute: output += "&#10;"
            case "\t" where inAttribute: output += "&#9;"
            case "\n", "\t": output.unicodeScalars.append(scalar)
            case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": break
            default: output.unicodeScalars.append(scalar)
            }
        }
    }

    private static func isMarkup(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "'"), UInt8(ascii: "\""): true
        default: false
        }
    }
}

extension XMLElement {
    /// The element as XML text; `XMLWriter` says how.
    ///
    /// - Parameter defaultNamespace: the namespace that `xmlns` stands for where the text will stand.
    public func serialized(defaultNamespace: String = "") -> String {
        var writer = XMLWriter()
        writer.write(self, defaultNamespace: defaultNamespace)
        return writer.output
    }
}
