import TestSupport
import Testing

@testable import TerminalUI

@Suite struct PrintableTests {
    @Test(arguments: [
        ("plain text", "plain text"),
        ("Grüße, 日本語, שלום, 👍", "Grüße, 日本語, שלום, 👍"),
        ("", ""),
        ("two\nlines", "two␊lines"),
        ("a\r\nb\tc", "a␍␊b␉c"),
        ("\u{1B}[2J\u{1B}]0;title\u{7}", "␛[2J␛]0;title␇"),
        ("nul\0del\u{7F}", "nul␀del␡"),
        ("csi\u{9B}31m", "csi<U+009B>31m"),
        ("photo\u{202E}gpj.exe", "photo<U+202E>gpj.exe"),
        ("\u{2066}x\u{2069}", "<U+2066>x<U+2069>"),
        ("a\u{200B}b\u{200D}c\u{FEFF}", "a<U+200B>b<U+200D>c<U+FEFF>"),
        ("a\u{2028}b\u{85}c", "a<U+2028>b<U+0085>c"),
        ("a\u{A0}b\u{3000}c", "a b c"),
        ("a\u{3164}\u{2800}b", "a<U+3164><U+2800>b"),
        ("tag\u{E0041}", "tag<U+E0041>"),
        ("private\u{E000}", "private<U+E000>"),
        ("none\u{FFFF}", "none<U+FFFF>"),
        ("e\u{301}", "e\u{301}"),
        ("\u{301}e", "e"),
        ("z" + String(repeating: "\u{334}", count: 100) + "a", "z\u{334}\u{334}\u{334}\u{334}a"),
        ("❤\u{FE0F}", "❤<U+FE0F>"),
    ])
    func textBecomes(text: String, printed: String) {
        #expect(printable(text) == printed)
    }

    @Test(arguments: [
        ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("日本語", 6, "日本語"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"),
        ("ab\u{202E}", 6, "ab…"), ("abcde\u{301}f", 6, "abcde\u{301}f"), ("abcde\u{301}fg", 6, "abcde\u{301}…"),
        ("abcdef\u{301}g", 6, "abcde…"), ("abc", 1, "…"), ("a", 1, "a"), ("日", 1, "…"),
    ])
    func longTextIsCut(text: String, columns: Int, printed: String) {
        #expect(printable(text, columns: columns) == printed)
    }

    @Test func lengthIsBoundedWhateverTheText() {
        for piece in ["x", "日", "\u{301}", "\u{202E}", "\u{1B}", "👩‍👩‍👧", "\n"] {
            let printed = printable(String(repeating: piece, count: 100_000))
            #expect(displayWidth(printed) <= 200)
            #expect(printed.utf8.count <= 200 * 12)
        }
    }

    @Test func fuzz() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<4_000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...60, using: &random) {
                let top: UInt32 = [0x20, 0x80, 0x3000, 0xFFFF, 0x10FFFF][Int.random(in: 0..<5, using: &random)]
                if let scalar = Unicode.Scalar(UInt32.random(in: 0...top, using: &random)) { text.append(scalar) }
            }
            let columns = Int.random(in: 1...80, using: &random)
            let printed = printable(String(text), columns: columns)
            if let fault = fault(of: printed, columns: columns) {
                Issue.record("\(String(text).debugDescription) became \(printed.debugDescription): \(fault)")
                return
            }
        }
    }

    private func fault(of printed: String, columns: Int) -> String? {
        if displayWidth(printed) > columns { return "too wide" }
        if printable(printed, columns: columns) != printed { return "not stable" }
        let isBad = { (scalar: Unicode.Scalar) in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: true
            default: scalar.properties.isDefaultIgnorableCodePoint
            }
        }
        return printed.unicodeScalars.contains(where: isBad) ? "not printable" : nil
    }
}
