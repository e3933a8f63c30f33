import Testing

@testable import TerminalUI

@Suite struct ProgressLineTests {
    private let start = ContinuousClock.now
    private static let mebibyte: UInt64 = 1 << 20

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

    /// A transfer of 100 MiB at 10 MiB/s, up to a time.
    private func transfer(
        _ style: ProgressLine.Style, name: String = "big.iso", total: UInt64? = 100 * mebibyte, until seconds: Double
    ) -> ProgressLine {
        var line = ProgressLine(name: name, total: total, style: style, at: start)
        for step in 0...Int(seconds * 10) {
            line.update(byteCount: UInt64(step) * Self.mebibyte, at: at(Double(step) / 10))
        }
        return line
    }

    /// The visible text of what is written.
    private func text(_ written: String?) -> String? {
        guard let written, written.hasPrefix("\r"), written.hasSuffix("\u{1B}[K") else { return nil }
        return String(written.dropFirst().dropLast(3))
    }

    // MARK: On a terminal

    @Test func lineShowsEverythingWhereThereIsRoom() {
        var line = transfer(.redrawn, until: 4)
        line.path = "direct udp 12 ms"
        let shown = text(line.draw(columns: 120, at: at(4)))
        #expect(
            shown == "big.iso   40 % [============>                 ]  40.0/100.0 MiB  10.0 MiB/s  6 s left  "
                + "direct udp 12 ms")
    }

    @Test(arguments: [
        (100, "big.iso   40 % [==========>               ]  40.0/100.0 MiB  10.0 MiB/s  6 s left  direct udp 12 ms"),
        (80, "big.iso   40 % [==>   ]  40.0/100.0 MiB  10.0 MiB/s  6 s left  direct udp 12 ms"),
        (79, "big.iso   40 %  40.0/100.0 MiB  10.0 MiB/s  6 s left  direct udp 12 ms"),
        (68, "big.iso   40 % [====>       ]  40.0/100.0 MiB  10.0 MiB/s  6 s left"),
        (53, "big.iso   40 %  40.0/100.0 MiB  10.0 MiB/s  6 s left"),
        (50, "big…   40 %  40.0/100.0 MiB  10.0 MiB/s  6 s left"),
        (40, " 40 %  40.0/100.0 MiB  10.0 MiB/s  6 s…"),
        (2, "…"),
    ])
    func lineFitsTheWidth(columns: Int, expected: String) {
        var line = transfer(.redrawn, until: 4)
        line.path = "direct udp 12 ms"
        let shown = text(line.draw(columns: columns, at: at(4)))
        #expect(shown == expected)
    }

    @Test(arguments: 1...200)
    func lineNeverReachesTheLastColumn(columns: Int) throws {
        var line = transfer(.redrawn, name: String(repeating: "日本語", count: 20) + ".txt", until: 4)
        line.path = "relay turn-udp 120 ms"
        let shown = try #require(text(line.draw(columns: columns, at: at(4))))
        #expect(displayWidth(shown) <= columns - 1)
    }

    @Test func lineIsRedrawnTenTimesASecondAtMost() {
        var line = ProgressLine(name: "x", total: 1000, style: .redrawn, at: start)
        var count = 0
        for millisecond in 0..<1000 {
            let now = start.advanced(by: .milliseconds(millisecond))
            line.update(byteCount: UInt64(millisecond), at: now)
            if line.draw(columns: 80, at: now) != nil { count += 1 }
        }
        #expect(count == 10)
    }

    @Test func lineIsErasedBeforeOthersAreWritten() {
        var line = transfer(.redrawn, until: 1)
        #expect(line.clear() == "")
        #expect(line.draw(columns: 80, at: at(1)) != nil)
        #expect(line.draw(columns: 80, at: at(1.05)) == nil)
        #expect(line.clear() == "\r\u{1B}[K")
        #expect(line.clear() == "")
        #expect(line.draw(columns: 80, at: at(1.06)) != nil)
        #expect(line.finish(at: at(2)) == "\r\u{1B}[K")
        #expect(line.finish(at: at(2)) == "")
    }

    @Test func unknownTotalHasNoBarAndNoEnd() {
        var line = transfer(.redrawn, total: nil, until: 4)
        #expect(text(line.draw(columns: 80, at: at(4))) == "big.iso  40.0 MiB  10.0 MiB/s")
    }

    @Test(arguments: [(6.9, "10.0 MiB/s"), (7.0, "stalled 3 s"), (9.0, "stalled 5 s"), (129.0, "stalled 2 min 05 s")])
    func stallsAreShown(seconds: Double, expected: String) throws {
        var line = transfer(.redrawn, total: nil, until: 4)
        // The rate falls while nothing moves, until that is called a stall.
        let shown = try #require(text(line.draw(columns: 80, at: at(seconds))))
        if seconds < 7 { #expect(shown == "big.iso  40.0 MiB  4.2 MiB/s") } else { #expect(shown.hasSuffix(expected)) }
    }

    @Test func afterAStallItGoesOn() throws {
        var line = transfer(.redrawn, until: 4)
        line.update(byteCount: 41 * Self.mebibyte, at: at(20))
        let shown = try #require(text(line.draw(columns: 100, at: at(20))))
        #expect(!shown.contains("stalled"))
    }

    @Test func whatWasThereBeforeDoesNotCountAsSpeed() throws {
        var line = ProgressLine(
            name: "x", total: 100 * Self.mebibyte, byteCount: 50 * Self.mebibyte, style: .redrawn, at: start)
        line.update(byteCount: 51 * Self.mebibyte, at: at(1))
        let shown = try #require(text(line.draw(columns: 100, at: at(1))))
        #expect(shown.contains("51 %"))
        #expect(shown.contains("1.0 MiB/s  49 s left"))
    }

    @Test func nothingIsDividedByNothing() {
        var line = ProgressLine(name: "x", total: 0, style: .redrawn, at: start)
        #expect(text(line.draw(columns: 80, at: start))?.hasSuffix("0/0 B") == true)
        #expect(text(line.draw(columns: 80, at: at(100)))?.hasSuffix("0/0 B") == true)
    }

    @Test func rateFollowsTheLastSeconds() throws {
        var meter = RateMeter(byteCount: 0, at: start)
        #expect(meter.rate(at: start) == nil)
        for step in 1...100 { meter.note(UInt64(step) * 1000, at: at(Double(step) / 10)) }
        let fast = try #require(meter.rate(at: at(10)))
        #expect(abs(fast - 10_000) < 500)
        for step in 101...200 { meter.note(100_000 + UInt64(step - 100) * 100, at: at(Double(step) / 10)) }
        let slow = try #require(meter.rate(at: at(20)))
        #expect(abs(slow - 1000) < 50)
        #expect(meter.rate(at: at(100)) == 0)
    }

    // MARK: In a log

    @Test func plainLinesAtTheStartAtEveryTenthAndAtTheEnd() {
        var line = ProgressLine(name: "big.iso", total: 100 * Self.mebibyte, style: .plain, at: start)
        var log = ""
        for step in 0...100 {
            if step == 30 { line.path = "direct udp 12 ms" }
            line.update(byteCount: UInt64(step) * Self.mebibyte, at: at(Double(step) / 10))
            log += line.draw(columns: 10, at: at(Double(step) / 10)) ?? ""
        }
        log += line.finish(at: at(10))
        let lines = log.split(separator: "\n")
        #expect(lines.count == 11)
        #expect(lines.first == "big.iso: 0 %, 0 B of 100.0 MiB")
        #expect(lines[1] == "big.iso: 10 %, 10.0 MiB of 100.0 MiB, 10.0 MiB/s, 9 s left")
        #expect(lines[3] == "big.iso: 30 %, 30.0 MiB of 100.0 MiB, 10.0 MiB/s, 7 s left, direct udp 12 ms")
        #expect(lines.last == "big.iso: 100 %, 100.0 MiB of 100.0 MiB, direct udp 12 ms")
        #expect(!log.contains("\u{1B}") && !log.contains("\r"))
    }

    @Test func plainLinesGoOnWhenNothingMoves() {
        var line = ProgressLine(name: "x", total: 100, style: .plain, at: start)
        let due = (0...95).filter { line.draw(columns: 80, at: at(Double($0))) != nil }
        #expect(due == [0, 30, 60, 90])
    }
}
