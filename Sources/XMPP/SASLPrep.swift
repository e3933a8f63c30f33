/// The preparation of user names and passwords for SASL (RFC 4013).
///
/// Done: the mapping of spaces and of what is mapped to nothing (§ 2.1), the check for prohibited characters
/// (§ 2.3), and of the normalisation (§ 2.2) the characters that Western keyboards can type and the full-width
/// forms of ASCII. Not done, since the standard library has no NFKC: other compatibility characters, which are sent
/// as typed, and the check of § 2.4 for mixed directions, which a server makes when a password is set.
enum SASLPrep {
    /// The prepared text; `nil` when it is empty or holds a prohibited character.
    static func prepare(_ text: String) -> String? {
        var prepared = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isMappedToNothing(scalar) { continue }
            guard !isProhibited(scalar) else { return nil }
            if scalar.properties.generalCategory == .spaceSeparator {
                prepared.append(" ")
            } else {
                prepared.append(contentsOf: normalized(scalar))
            }
        }
        return prepared.isEmpty ? nil : String(prepared)
    }

    /// RFC 3454 table B.1.
    private static func isMappedToNothing(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\u{AD}", "\u{34F}", "\u{1806}", "\u{180B}"..."\u{180D}", "\u{200C}"..."\u{200D}", "\u{2060}",
            "\u{FE00}"..."\u{FE0F}", "\u{FEFF}":
            true
        // In tables B.1 and C.1.2 both; nobody sees it, so nobody means a space by it.
        case "\u{200B}": true
        default: false
        }
    }

    /// RFC 3454 tables C.2 to C.9.
    private static func isProhibited(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .privateUse, .lineSeparator, .paragraphSeparator: return true
        default: break
        }
        return scalar.properties.isNoncharacterCodePoint || ("\u{FFF9}"..."\u{FFFD}").contains(scalar)
            || ("\u{2FF0}"..."\u{2FFB}").contains(scalar) || scalar == "\u{340}" || scalar == "\u{341}"
    }

    private static func normalized(_ scalar: Unicode.Scalar) -> String.UnicodeScalarView {
        if ("\u{FF01}"..."\u{FF5E}").contains(scalar), let ascii = Unicode.Scalar(scalar.value - 0xFEE0) {
            return String.UnicodeScalarView([ascii])
        }
        return compatibility[scalar]?.unicodeScalars ?? String.UnicodeScalarView([scalar])
    }

    /// The compatibility decompositions of Latin-1, and of two that keyboards have beside it.
    private static let compatibility: [Unicode.Scalar: String] = [
        "¨": " \u{308}", "ª": "a", "¯": " \u{304}", "²": "2", "³": "3", "´": " \u{301}", "µ": "\u{3BC}",
        "¸": " \u{327}", "¹": "1", "º": "o", "¼": "1\u{2044}4", "½": "1\u{2044}2", "¾": "3\u{2044}4", "…": "...",
        "™": "TM",
    ]
}
