import Foundation
import Testing

@testable import TerminalUI

@Suite struct TerminalTests {
    @Test(
        arguments: [
            (["TERM": "xterm"], true, true, true),
            (["TERM": "xterm"], false, false, false),
            (["TERM": "dumb"], true, false, false),
            ([:], true, false, false),
            (["TERM": "xterm", "NO_COLOR": "1"], true, true, false),
            (["TERM": "xterm", "NO_COLOR": ""], true, true, true),
            (["TERM": "xterm", "CLICOLOR": "0"], true, true, false),
            (["TERM": "xterm", "CLICOLOR": "1"], true, true, true),
            (["CLICOLOR_FORCE": "1"], false, false, true),
            (["CLICOLOR_FORCE": "0"], false, false, false),
            (["CLICOLOR_FORCE": "1", "NO_COLOR": "1"], true, false, false),
        ] as [([String: String], Bool, Bool, Bool)])
    func abilities(environment: [String: String], isTerminal: Bool, canRedraw: Bool, hasColour: Bool) {
        let terminal = Terminal(descriptor: -1, isTerminal: isTerminal) { environment[$0] }
        #expect(terminal.canRedraw == canRedraw)
        #expect(terminal.hasColour == hasColour)
        #expect(terminal.styled("x", .red) == (hasColour ? "\u{1B}[31mx\u{1B}[0m" : "x"))
    }

    @Test func widthIsAskedEachTime() throws {
        let pseudo = try PseudoTerminal()
        let terminal = Terminal(descriptor: pseudo.slave)
        #expect(terminal.isTerminal)
        #expect(terminal.columns == 80)
        pseudo.resize(columns: 132)
        #expect(terminal.columns == 132)
        pseudo.resize(columns: 20)
        #expect(terminal.columns == 20)
    }

    @Test func displayKeepsMessagesAndProgressApart() throws {
        let pseudo = try PseudoTerminal()
        let display = ProgressDisplay(Terminal(descriptor: pseudo.slave, isTerminal: true) { _ in "xterm" })
        display.begin(name: "x", total: 100)
        display.message("hello")
        display.end()
        let written = try pseudo.output(until: "hello\r\n")
        #expect(written.hasPrefix("\rx "))
        #expect(written.hasSuffix("\u{1B}[K\r\u{1B}[Khello\r\n"))
    }

    @Test func nothingIsDrawnWhilePaused() async throws {
        let pipe = Pipe()
        let display = ProgressDisplay(
            Terminal(descriptor: pipe.fileHandleForWriting.fileDescriptor, isTerminal: true) { _ in "xterm" })
        display.begin(name: "x", total: 100)
        await display.paused {
            display.update(byteCount: 50)
            Terminal(descriptor: pipe.fileHandleForWriting.fileDescriptor).write("question? ")
            display.update(byteCount: 60)
        }
        display.end()
        try pipe.fileHandleForWriting.close()
        let written = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        let parts = written.split(separator: "question? ")
        #expect(parts.count == 2)
        #expect(parts.first?.hasSuffix("\u{1B}[K\r\u{1B}[K") == true)
        #expect(parts.last?.contains("60 %") == true)
        #expect(!written.contains("50 %"))
    }
}
