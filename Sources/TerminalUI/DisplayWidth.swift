/// How many columns a text takes on a terminal: two for East Asian wide characters and emoji, none for accents.
///
/// The text is to be printable; control characters count as nothing.
public func displayWidth(_ text: some StringProtocol) -> Int {
    var width = 0
    for scalar in text.unicodeScalars { width += displayWidth(scalar) }
    return width
}

/// Cuts a printable text to a number of columns, the last of which is `…` if anything is missing.
public func cut(_ text: String, columns: Int) -> String {
    guard columns > 0 else { return "" }
    var width = 0
    var end = text.unicodeScalars.startIndex
    for index in text.unicodeScalars.indices {
        width += displayWidth(text.unicodeScalars[index])
        if width > columns { return String(text.unicodeScalars[..<end]) + "…" }
        if width < columns { end = text.unicodeScalars.index(after: index) }
    }
    return text
}

/// Fills a printable text up with spaces.
func padded(_ text: String, columns: Int, onTheLeft: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, columns - displayWidth(text)))
    return onTheLeft ? space + text : text + space
}

private func displayWidth(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    case 0x20...0x7E: return 1
    case 0..<0xA0, 0xAD: return 0
    case 0xA0..<0x300: return 1
    default: break
    }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .lineSeparator, .paragraphSeparator: return 0
    default: break
    }
    // Hangul vowels and finals join the syllable before.
    if (0x1160...0x11FF).contains(scalar.value) { return 0 }
    if scalar.properties.isEmojiPresentation { return 2 }
    return isWide(scalar.value) ? 2 : 1
}

/// East Asian Width W and F (UAX #11), rounded to whole blocks.
private func isWide(_ value: UInt32) -> Bool {
    switch value {
    case 0x1100...0x115F, 0x2329...0x232A, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4CF,
        0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60,
        0xFFE0...0xFFE6, 0x16FE0...0x18DFF, 0x1AFF0...0x1B2FF, 0x1F200...0x1F2FF, 0x1F300...0x1F64F,
        0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x1FA70...0x1FAFF, 0x20000...0x3FFFD:
        true
    default: false
    }
}
