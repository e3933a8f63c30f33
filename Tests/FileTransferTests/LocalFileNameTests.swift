import TestSupport
import Testing

@testable import FileTransfer

@Suite struct LocalFileNameTests {
    @Test(arguments: [
        // Ordinary names stay as they are.
        ("report.pdf", "report.pdf"),
        ("Überraschung – Äpfel.txt", "Überraschung – Äpfel.txt"),
        ("日本語.tar.gz", "日本語.tar.gz"),
        ("a b  c.txt", "a b  c.txt"),
        ("12:30 \"x\" <y> |z*?.log", "12:30 \"x\" <y> |z*?.log"),
        ("no extension", "no extension"),
        ("e\u{301}.txt", "e\u{301}.txt"),
        ("_ok_", "_ok_"),
        // Folders.
        ("../../etc/passwd", "passwd"),
        ("/etc/shadow", "shadow"),
        ("C:\\Users\\me\\file.txt", "file.txt"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("folder/", "folder"),
        ("a/b\\", "b"),
        ("a/..", "unnamed"),
        ("a/../", "unnamed"),
        // Nothing left.
        ("", "unnamed"), (".", "unnamed"), ("..", "unnamed"), ("...", "unnamed"), ("/", "unnamed"),
        ("\\\\//", "unnamed"), (" ", "unnamed"), ("-", "unnamed"), ("\0", "unnamed"), ("\u{202E}", "unnamed"),
        ("\u{200D}", "unnamed"), ("_", "unnamed"),
        // Leading and trailing characters.
        (".bashrc", "_bashrc"), ("..hidden", "_hidden"), (". .ssh", "_ssh"), ("-rf", "_rf"), ("--help", "_help"),
        ("~root", "_root"), ("~/.profile", "_profile"), (" .x", "_x"), ("\u{200B}.bashrc", "_bashrc"),
        ("\u{200D}.bashrc", "_bashrc"), ("  x", "x"), ("x.", "x"), ("x. . .", "x"), ("x ", "x"), ("x.txt ", "x.txt"),
        // What cannot be seen.
        ("a\0b.txt", "a_b.txt"), ("a\nb", "a b"), ("a\r\nb", "a  b"), ("a\tb", "a b"), ("\u{1B}[31mred", "_[31mred"),
        ("a\u{7F}\u{9B}b", "a__b"), ("photo\u{202E}gpj.exe", "photo_gpj.exe"), ("a\u{2066}b\u{2069}c", "a_b_c"),
        ("a\u{200B}b", "a_b"), ("a\u{FEFF}b", "a_b"), ("a\u{200D}b", "ab"), ("a\u{AD}b", "ab"), ("a\u{E0041}b", "a_b"),
        ("a\u{2028}b\u{2029}c", "a b c"), ("a\u{A0}b", "a b"), ("a\u{3000}b", "a b"), ("a\u{2800}b", "a b"),
        ("a\u{3164}b", "a_b"), ("❤\u{FE0F}.png", "❤.png"), ("a\u{FFFE}b", "a_b"), ("a\u{10FFFF}b", "a_b"),
        // Names that mean something to us or to other systems.
        ("x.sleigh-part", "x.sleigh-part_"), ("x.SLEIGH-PART", "x.SLEIGH-PART_"), ("x.sleigh-part.", "x.sleigh-part_"),
        (".sleigh-part", "_sleigh-part"), ("CON", "_CON"), ("nul.txt", "_nul.txt"), ("com1.log", "_com1.log"),
        ("LPT9", "_LPT9"), ("console", "console"), ("COM10", "COM10"),
    ])
    func peerNameBecomes(peer: String, local: String) {
        #expect(LocalFileName(peerName: peer).string == local)
    }

    @Test(
        arguments: [
            (Array("a\u{FFFD}b".utf8), "a\u{FFFD}b"),
            ([0x61, 0xFF, 0x62], "a\u{FFFD}b"),
            // An over-long encoding of "/" is no slash.
            ([0x61, 0xC0, 0xAF, 0x62], "a\u{FFFD}\u{FFFD}b"),
            ([0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
        ] as [([UInt8], String)])
    func bytesThatAreNotUTF8(bytes: [UInt8], local: String) {
        #expect(LocalFileName(peerBytes: bytes).string == local)
    }

    @Test(arguments: [
        (String(repeating: "x", count: 500) + ".pdf", ".pdf"),
        (String(repeating: "x", count: 500) + ".tar.gz", ".tar.gz"),
        (String(repeating: "é", count: 500) + ".txt", ".txt"),
        (String(repeating: "👩‍👩‍👧", count: 500) + ".jpg", ".jpg"),
        ("a" + String(repeating: "\u{301}", count: 500) + ".txt", ".txt"),
        (String(repeating: "x", count: 500), "x"),
        (String(repeating: "x", count: 300) + "." + String(repeating: "y", count: 300), "x"),
        ("a." + String(repeating: "y", count: 300), "y"),
        (String(repeating: "x", count: 9000) + ".sleigh-part", ".sleigh-part_"),
    ])
    func longNamesAreCutAndKeepTheirExtension(peer: String, suffix: String) {
        let name = LocalFileName(peerName: peer)
        #expect(name.string.hasSuffix(suffix))
        #expect(name.string.utf8.count > 200)
        #expect((name.numbered(999) + LocalFileName.partSuffix).utf8.count <= 255)
    }

    @Test(arguments: [
        ("report.pdf", "report (7).pdf"), ("report", "report (7)"), ("a.tar.gz", "a (7).tar.gz"),
        ("tar.gz", "tar (7).gz"), ("a.b.c", "a.b (7).c"),
        ("a.averylongextensionindeed", "a.averylongextensionindeed (7)"),
    ])
    func numbers(peer: String, numbered: String) {
        #expect(LocalFileName(peerName: peer).numbered(7) == numbered)
        #expect(LocalFileName(peerName: peer).numbered(0) == peer)
    }

    @Test func fuzz() {
        var random = SeededRandom(seed: 0x51E16)
        let pieces = [
            "..", "/", "\\", "\0", "\n", "\u{1B}[2J", "\u{202E}", "\u{200D}", "\u{301}", "\u{FEFF}", ".", "-", " ", "~",
            ".tar", ".gz", ".sleigh-part", "CON", "NUL.", "é", "👩‍👩‍👧", "ﷺ", "x", "file", "\u{E0001}", "\u{2028}", "_",
        ]
        for _ in 0..<4_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.append(UInt8.random(in: 0...255, using: &random))
                case 1: bytes += Array(repeating: 0x61, count: Int.random(in: 0...90, using: &random))
                default: bytes += Array(pieces[Int.random(in: 0..<pieces.count, using: &random)].utf8)
                }
            }
            let name = LocalFileName(peerBytes: bytes)
            if let fault = fault(of: name) {
                Issue.record("\(bytes) became \(name.string.debugDescription): \(fault)")
                return
            }
        }
    }

    /// What is wrong with a local name, if anything.
    private func fault(of name: LocalFileName) -> String? {
        let string = name.string
        if string.isEmpty || string == "." || string == ".." { return "no name" }
        if string.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == 0x2F || $0 == 0x5C }) { return "character" }
        if string.unicodeScalars.contains(where: { [.control, .format].contains($0.properties.generalCategory) }) {
            return "invisible"
        }
        if let first = string.first, [".", "-", "~", " "].contains(first) { return "start" }
        if let last = string.last, [".", " "].contains(last) { return "end" }
        if string.lowercased().hasSuffix(".sleigh-part") { return "part" }
        if (name.numbered(999) + LocalFileName.partSuffix).utf8.count > 255 { return "length" }
        if LocalFileName(peerName: string).string != string { return "not stable" }
        return nil
    }
}
