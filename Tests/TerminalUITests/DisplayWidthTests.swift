import Testing

@testable import TerminalUI

@Suite struct DisplayWidthTests {
    @Test(arguments: [
        ("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("日本", 4), ("한국", 4), ("ｱ", 1), ("Ａ", 2), ("👍", 2), ("…", 1),
        ("→", 1),
        ("я", 1), ("ש", 1), ("🇩", 2), ("\u{200B}", 0), ("␛", 1),
    ])
    func columns(text: String, width: Int) {
        #expect(displayWidth(text) == width)
    }

    @Test(arguments: [
        ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("abc", 0, ""), ("日本語", 5, "日本…"), ("日本語", 4, "日…"),
        ("e\u{301}x", 1, "…"),
    ])
    func cutting(text: String, columns: Int, result: String) {
        #expect(cut(text, columns: columns) == result)
    }

    @Test func tableColumnsAreAligned() {
        var table = Table([.left, .right, .left])
        table.append(["name", "size", "path"])
        table.append(["日本.txt", "5 B"])
        table.append(["x", "1.2 MiB", "direct udp"])
        #expect(
            table.lines == [
                "name         size  path",
                "日本.txt      5 B",
                "x         1.2 MiB  direct udp",
            ])
    }
}
