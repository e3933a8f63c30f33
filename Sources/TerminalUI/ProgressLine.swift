/// The progress of one transfer, as a line to redraw on a terminal or as plain lines for a log.
///
/// It neither writes nor looks at a clock: it is told the time, and returns what to write.
public struct ProgressLine: Sendable {
    /// How progress is shown.
    public enum Style: Sendable {
        /// One line that is redrawn in place, at most ten times a second.
        case redrawn
        /// A line at the start, at every tenth of the way or after 30 seconds, and at the end.
        case plain
    }

    /// The path the bytes take, printable: `direct udp 12 ms`.
    public var path: String?

    /// For how long nothing must have moved to be called a stall.
    static let stallLimit = Duration.seconds(3)
    /// The least time between two drawings of a line.
    static let redrawInterval = Duration.milliseconds(100)
    /// The longest time between two plain lines.
    static let plainInterval = Duration.seconds(30)

    private let name: String
    private let total: UInt64?
    private let style: Style
    private var byteCount: UInt64
    private var meter: RateMeter
    private var lastMove: ContinuousClock.Instant
    private var lastDrawing: ContinuousClock.Instant?
    private var tenth = 0
    private var isOnScreen = false

    /// Starts to follow a transfer.
    ///
    /// - Parameters:
    ///   - name: what is transferred, printable.
    ///   - total: the size of the whole in bytes, if known.
    ///   - byteCount: how much is there from before.
    ///   - now: the time at which bytes may start to move.
    public init(
        name: String, total: UInt64?, byteCount: UInt64 = 0, style: Style, at now: ContinuousClock.Instant
    ) {
        self.name = name
        self.total = total
        self.byteCount = byteCount
        self.style = style
        meter = RateMeter(byteCount: byteCount, at: now)
        lastMove = now
    }

    /// Notes how much of the whole is there now.
    public mutating func update(byteCount: UInt64, at now: ContinuousClock.Instant) {
        if byteCount > self.byteCount { lastMove = now }
        self.byteCount = max(byteCount, self.byteCount)
        meter.note(self.byteCount, at: now)
    }

    /// Returns what to write now, or `nil` if nothing is due.
    ///
    /// - Parameter columns: the width of the terminal; plain lines are not cut.
    public mutating func draw(columns: Int, at now: ContinuousClock.Instant) -> String? {
        switch style {
        case .redrawn:
            if let lastDrawing, now - lastDrawing < Self.redrawInterval { return nil }
            lastDrawing = now
            isOnScreen = true
            // The last column stays free: filling it would move some terminals to the next line.
            return "\r" + line(columns: columns - 1, at: now) + "\u{1B}[K"
        case .plain:
            let tenth = total.map { Format.wholePercentage(byteCount, of: $0) / 10 } ?? 0
            // The last tenth is said by `finish`.
            let isDue = lastDrawing.map { now - $0 >= Self.plainInterval || (tenth > self.tenth && tenth < 10) } ?? true
            guard isDue else { return nil }
            lastDrawing = now
            self.tenth = tenth
            return plainLine(at: now) + "\n"
        }
    }

    /// Returns what to write before anything else may be written; the next drawing is due at once.
    public mutating func clear() -> String {
        guard isOnScreen else { return "" }
        isOnScreen = false
        lastDrawing = nil
        return "\r\u{1B}[K"
    }

    /// Returns what to write at the end: the last plain line, or nothing but the erasure of the line.
    public mutating func finish(at now: ContinuousClock.Instant) -> String {
        switch style {
        case .redrawn: clear()
        case .plain: plainLine(at: now) + "\n"
        }
    }

    // MARK: Lines

    /// The line, at most so many columns wide.
    ///
    /// Where there is little room the name is cut first, then the bar shrinks and goes, then the path, then the rest.
    private func line(columns: Int, at now: ContinuousClock.Instant) -> String {
        let share = total.map { padded(Format.percentage(byteCount, of: $0), columns: 5, onTheLeft: true) }
        let amount = total.map { Format.bytes(byteCount, of: $0) } ?? Format.bytes(byteCount)
        let figures = [amount] + pace(at: now)
        let core = ([share].compactMap { $0 } + figures).joined(separator: "  ")
        var room = columns - displayWidth(core) - 2
        let extras = Self.leastBar + 1 + (path.map { displayWidth($0) + 2 } ?? 0)
        let shortName = cut(name, columns: max(Self.leastName, min(columns / 4, room - extras)))
        room -= displayWidth(shortName)

        var tail = ""
        if let path, displayWidth(path) + 2 <= room {
            tail = "  " + path
            room -= displayWidth(path) + 2
        }
        var head = shortName + "  "
        if let share, let total, room > Self.leastBar {
            head += share + " " + bar(columns: min(room - 1, Self.mostBar), of: total)
            return head + "  " + figures.joined(separator: "  ") + tail
        }
        if room < 0 {
            let left = columns - displayWidth(core) - 2
            head = left >= 4 ? cut(name, columns: left) + "  " : ""
        }
        return cut(head + core + tail, columns: columns)
    }

    private static let leastName = 12
    private static let leastBar = 8
    private static let mostBar = 32

    /// A bar of so many columns, brackets included: `[=====>    ]`.
    private func bar(columns: Int, of total: UInt64) -> String {
        let inner = columns - 2
        let full = inner * Format.wholePercentage(byteCount, of: total) / 100
        if full >= inner { return "[" + String(repeating: "=", count: inner) + "]" }
        let head = String(repeating: "=", count: full) + ">"
        return "[" + head + String(repeating: " ", count: inner - full - 1) + "]"
    }

    /// The rate and the time left, or that nothing moves.
    private func pace(at now: ContinuousClock.Instant) -> [String] {
        let isComplete = total.map { byteCount >= $0 } ?? false
        if isComplete { return [] }
        let still = now - lastMove
        if still >= Self.stallLimit { return ["stalled \(Format.countdown(still))"] }
        guard let rate = meter.rate(at: now) else { return [] }
        let text = Format.rate(bytesPerSecond: rate)
        guard let total, rate >= 1 else { return [text] }
        let left = min(Double(total - byteCount) / rate, 1e9)
        return [text, "\(Format.countdown(.seconds(left))) left"]
    }

    private func plainLine(at now: ContinuousClock.Instant) -> String {
        var parts = [total.map { "\(Format.bytes(byteCount)) of \(Format.bytes($0))" } ?? Format.bytes(byteCount)]
        parts += pace(at: now)
        if let total { parts.insert(Format.percentage(byteCount, of: total), at: 0) }
        if let path { parts.append(path) }
        return "\(name): " + parts.joined(separator: ", ")
    }
}
