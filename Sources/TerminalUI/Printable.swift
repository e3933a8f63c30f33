/// Makes any text from a peer safe to print: one line, nothing hidden, nothing a terminal obeys.
///
/// Control characters become their pictures (`␛` for escape, `␊` for a line end), everything else that cannot be seen
/// becomes its number (`<U+202E>`), and what is too long ends in `…`. Of a pile of accents on one letter four remain.
///
/// - Parameters:
///   - text: anything.
///   - columns: how many columns it may take, the `…` included; at least 1.
public func printable(_ text: some StringProtocol, columns: Int = 200) -> String {
    precondition(columns >= 1)
    var result = PrintableText(columns: columns)
    for scalar in text.unicodeScalars {
        guard result.append(scalar) else { break }
    }
    return result.text
}

/// How many combining marks in a row ``printable(_:columns:)`` keeps; the languages of the world need three.
let mostAccents = 4

/// A text that grows until it is as wide as it may be.
private struct PrintableText {
    private(set) var text = ""
    private let columns: Int
    private var width = 0
    /// Where to cut if more comes than fits: as much as leaves room for the `…`.
    private var cut = 0
    private var accents = 0

    init(columns: Int) { self.columns = columns }

    /// Appends a character in its printable form; says whether there is room for more.
    mutating func append(_ scalar: Unicode.Scalar) -> Bool {
        if isAccent(scalar) {
            accents += 1
            // An accent at the start would stand on whatever is printed before.
            if accents <= mostAccents, !text.isEmpty {
                text.unicodeScalars.append(scalar)
                if width < columns { cut = text.utf8.count }
            }
            return true
        }
        accents = 0
        return append(piece: picture(of: scalar) ?? String(scalar))
    }

    private mutating func append(piece: String) -> Bool {
        let pieceWidth = displayWidth(piece)
        if width + pieceWidth > columns {
            text = String(decoding: text.utf8.prefix(cut), as: UTF8.self) + "…"
            return false
        }
        text += piece
        width += pieceWidth
        if width < columns { cut = text.utf8.count }
        return true
    }
}

private func isAccent(_ scalar: Unicode.Scalar) -> Bool {
    guard scalar.value >= 0x300, picture(of: scalar) == nil else { return false }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return true
    default: return false
    }
}

/// What to print for a character that cannot be printed as it is; `nil` for all others.
private func picture(of scalar: Unicode.Scalar) -> String? {
    switch scalar.value {
    case 0x20...0x7E: return nil
    case 0..<0x20: return Unicode.Scalar(0x2400 + scalar.value).map { String($0) }
    case 0x7F: return "␡"
    // Braille blank: a symbol by category, a space by looks.
    case 0x2800: return number(of: scalar)
    default: break
    }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
        return number(of: scalar)
    case .spaceSeparator:
        return " "
    default:
        return scalar.properties.isDefaultIgnorableCodePoint ? number(of: scalar) : nil
    }
}

private func number(of scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "<U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + ">"
}
