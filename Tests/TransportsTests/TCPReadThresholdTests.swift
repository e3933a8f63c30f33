import Testing

@testable import Transports

/// How much a socket is to have before it tells, with a clock of its own.
@Suite struct TCPReadThresholdTests {
    private static let full = [23, 3, 3, 0x40, 0x11] + [UInt8](repeating: 0, count: 0x4011)
    private static let millisecond: UInt64 = 1_000_000

    private var threshold = TCPReadThreshold(now: 0)
    private var now: UInt64 = 0

    private mutating func read(_ bytes: [UInt8], after milliseconds: UInt64) {
        now += milliseconds * Self.millisecond
        bytes.withUnsafeBytes { threshold.noteRead($0) }
        threshold.finishReading(now: now)
    }

    @Test func beginsWithWhateverComes() {
        #expect(threshold.byteCount == 1)
        #expect(threshold.deadline == nil)
    }

    @Test mutating func waitsForTheRecord() {
        read([23, 3, 3, 0, 100, 0], after: 1)
        #expect(threshold.byteCount == 99)
        read([UInt8](repeating: 0, count: 99), after: 1)
        #expect(threshold.byteCount == 5)
        #expect(threshold.deadline == nil)
    }

    @Test mutating func gathersWhileRecordsAreFull() {
        for _ in 0..<16 { read(Self.full, after: 1) }
        #expect(threshold.byteCount == 65_536)
        #expect(threshold.deadline == now + 5 * Self.millisecond)
        // Too early, and then in time.
        threshold.expire(now: now + Self.millisecond)
        #expect(threshold.byteCount == 65_536)
        read([23, 3, 3, 0x40, 0x11], after: 1)
        let due = now + 5 * Self.millisecond
        threshold.expire(now: due - 1)
        #expect(threshold.byteCount == 65_536)
        threshold.expire(now: due)
        #expect(threshold.byteCount == 0x4011)
        #expect(threshold.deadline == nil)
        // The next full record begins it again, and one that is not ends it.
        read(Array(Self.full.dropFirst(5)), after: 1)
        #expect(threshold.byteCount == 65_536)
        read([23, 3, 3, 0, 1, 0], after: 1)
        #expect(threshold.byteCount == 5)
        #expect(threshold.deadline == nil)
    }

    @Test mutating func takesWhateverComesFast() {
        for _ in 0..<16 { read(Self.full, after: 1) }
        read(Array(repeating: Self.full, count: 16).flatMap(\.self), after: 1)
        #expect(threshold.byteCount == 1)
        #expect(threshold.deadline == nil)
    }
}
