/// Measures a rate over the last few seconds, so that it is neither jumpy nor stale.
struct RateMeter: Sendable {
    /// How far back it looks.
    static let window = Duration.seconds(5)
    /// How far apart the samples are.
    private static let step = Duration.milliseconds(100)

    private struct Sample {
        let time: ContinuousClock.Instant
        let byteCount: UInt64
    }

    private var samples: [Sample]

    /// Starts with what was there before.
    init(byteCount: UInt64, at time: ContinuousClock.Instant) {
        samples = [Sample(time: time, byteCount: byteCount)]
    }

    /// Notes a count that never falls.
    mutating func note(_ byteCount: UInt64, at time: ContinuousClock.Instant) {
        if samples.count >= 2, time - samples[samples.count - 2].time < Self.step {
            samples[samples.count - 1] = Sample(time: time, byteCount: byteCount)
        } else {
            samples.append(Sample(time: time, byteCount: byteCount))
        }
        // The last sample before the window stays, as the window's start.
        while samples.count > 2, time - samples[1].time >= Self.window { samples.removeFirst() }
    }

    /// Bytes a second up to a time; `nil` while too little time has passed to say.
    func rate(at time: ContinuousClock.Instant) -> Double? {
        let recent = samples.last { time - $0.time >= Self.window } ?? samples.first
        guard let recent, let last = samples.last else { return nil }
        let seconds = Format.seconds(time - recent.time)
        guard seconds >= 0.25 else { return nil }
        return Double(last.byteCount - recent.byteCount) / seconds
    }
}
