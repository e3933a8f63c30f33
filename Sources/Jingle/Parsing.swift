import Glibc
// Small steps that the readers of this module share.
import XML

extension XMLElement {
    /// An attribute that must be there, must not be empty and must not be longer than that.
    func required(_ name: String, maximum: Int = JingleLimit.identifierByteCount) throws(JingleSyntaxError) -> String {
        guard let value = try optional(name, maximum: maximum) else { throw .missing(name) }
        return value
    }

    /// An attribute that may be absent, but not empty, nor longer than that.
    func optional(_ name: String, maximum: Int = JingleLimit.identifierByteCount) throws(JingleSyntaxError) -> String? {
        guard let value = attributes[name] else { return nil }
        guard value.utf8.count <= maximum else { throw .tooLong(name) }
        guard !value.isEmpty else { throw .invalid(name) }
        return value
    }

    /// An attribute that is a decimal number, when it is there.
    func number<Number: FixedWidthInteger>(
        _ name: String, as type: Number.Type = Number.self
    ) throws(JingleSyntaxError) -> Number? {
        guard let value = attributes[name] else { return nil }
        guard let number = Number(decimal: value) else { throw .invalid(name) }
        return number
    }

    /// The character data, when it is not longer than that.
    func limitedText(_ maximum: Int) throws(JingleSyntaxError) -> String {
        let text = text
        guard text.utf8.count <= maximum else { throw .tooLong(name) }
        return text
    }
}

extension FixedWidthInteger {
    /// Reads decimal digits with white space around them, and nothing else: no sign, no other notation.
    init?(decimal text: String) {
        let digits = text.trimmed
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.init(digits)
    }
}

extension String {
    /// The text without XML white space at its ends.
    var trimmed: String {
        let isSpace: (Unicode.Scalar) -> Bool = { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "\r" }
        var view = unicodeScalars[...]
        while let first = view.first, isSpace(first) { view.removeFirst() }
        while let last = view.last, isSpace(last) { view.removeLast() }
        return String(view)
    }

    /// True when this sorts before the other one octet by octet (RFC 4790 § 9.3, `i;octet`).
    func isLower(than other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}

/// An IP address in text form, checked.
enum IPLiteral {
    /// What can be done with an address a peer names.
    enum Kind { case usable, unusable, malformed }

    /// Tells whether a text is an IP literal, without a zone, that one host can be reached at.
    static func kind(of text: String) -> Kind {
        guard text.utf8.count <= 45, !text.utf8.contains(0) else { return .malformed }
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            let first = UInt8(truncatingIfNeeded: UInt32(bigEndian: four.s_addr) >> 24)
            return first == 0 || first >= 224 ? .unusable : .usable
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return .malformed }
        let bytes = withUnsafeBytes(of: six) { Array($0) }
        return bytes[0] == 0xff || bytes.allSatisfy { $0 == 0 } ? .unusable : .usable
    }
}
