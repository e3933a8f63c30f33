/// Lets bytes go at a rate, in portions so small that it is a flow and not a series of bursts.
///
/// No clock: times are nanoseconds of any clock that only goes forward. What could have gone and did not is kept for a
/// moment only, so that a silence is not followed by a burst; somewhat longer if bytes were waiting, so that a thread that
/// wakes late catches up. What goes beyond a portion is missing from the next ones, so that the rate holds however large the
/// pieces are.
package struct TokenBucket: Sendable {
    /// What goes at once is worth this time in nanoseconds, within limits: a packet, and a block of file data.
    private static let portionInterval = 4_000_000.0
    private static let portionRange = 1400.0...262_144.0
    /// What comes in this time in nanoseconds is kept for whoever waits for it, on a machine with much to do.
    private static let patience = 250_000_000.0

    private let bytesPerNanosecond: Double
    private let portionByteCount: Double
    private let capacity: Double
    private var level: Double
    private var time: UInt64
    private var isAwaited = false
    /// What is left of the portion that goes now. It does not grow while it goes, or there would be drops without end.
    private var portion = 0.0

    /// Begins with one portion.
    ///
    /// - Parameters:
    ///   - bytesPerSecond: at least 1.
    ///   - reserve: what may be kept, as the time in which it comes.
    package init(bytesPerSecond: UInt64, reserve: Duration = .milliseconds(50), now: UInt64) {
        bytesPerNanosecond = Double(max(bytesPerSecond, 1)) / 1e9
        portionByteCount = min(
            max(bytesPerNanosecond * Self.portionInterval, Self.portionRange.lowerBound), Self.portionRange.upperBound)
        capacity = max(bytesPerNanosecond * Double(reserve.nanoseconds), portionByteCount)
        level = portionByteCount
        time = now
    }

    /// How many bytes may go now; 0 when none may before the time that ``wait()`` tells.
    package mutating func allowance(at now: UInt64) -> Int {
        if now > time {
            let most = isAwaited ? max(capacity, bytesPerNanosecond * Self.patience) : capacity
            level = min(level + Double(now - time) * bytesPerNanosecond, most)
            time = now
            isAwaited = false
        }
        // Half a byte less, since a wait is rounded to nanoseconds.
        if portion < 1, level >= portionByteCount - 0.5 { portion = level }
        return portion < 1 ? 0 : Int(portion.rounded())
    }

    /// Notes that bytes go; they may be more than were allowed.
    package mutating func take(_ byteCount: Int) {
        level -= Double(byteCount)
        portion -= Double(byteCount)
    }

    /// When the next portion may go, for whoever has bytes for it and may go no further now.
    package mutating func wait() -> UInt64 {
        isAwaited = true
        let wait = ((portionByteCount - level) / bytesPerNanosecond).rounded(.up)
        return wait > 0 ? time + UInt64(wait) : time
    }
}
