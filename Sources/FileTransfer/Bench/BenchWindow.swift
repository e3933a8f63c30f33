/// The part of a phase that counts: what arrived while the path was warm.
public struct BenchWindow: Sendable, Hashable {
    /// When it begins, after the first byte.
    public let start: Duration
    /// When it ends.
    public let end: Duration
    /// What arrived within it.
    public let byteCount: UInt64
    /// Whether the warm-up is left out; it is not when too little came after it.
    public let isWarm: Bool
    /// The rates of its parts, all equally long, in bytes per second.
    public let rates: [Double]

    /// The least time after the warm-up that says something.
    private static let leastDuration = Duration.milliseconds(450)
    /// The parts are about as long as the first figure, in a window of the second at least; in a shorter one as the third.
    private static let parts = (Duration.seconds(1), Duration.seconds(5), Duration.milliseconds(100))

    /// Takes the window out of the samples of a phase.
    ///
    /// - Parameter samples: in the order of time.
    /// - Returns: `nil` when nothing arrived in a time that can be measured.
    public init?(_ samples: [BenchSample], warmUp: Duration) {
        guard let last = samples.last else { return nil }
        let origin = BenchSample(time: .zero, byteCount: 0)
        let warm = samples.first { $0.time >= warmUp }.flatMap { last.time - $0.time >= Self.leastDuration ? $0 : nil }
        let first = warm ?? origin
        guard last.time - first.time >= .milliseconds(1), last.byteCount > 0 else { return nil }
        isWarm = warm != nil
        start = first.time
        end = last.time
        byteCount = last.byteCount - first.byteCount
        let (start, length) = (first.time, last.time - first.time)
        let part = length >= Self.parts.1 ? Self.parts.0 : Self.parts.2
        let count = max(1, Int((length / part).rounded()))
        let edges = (0...count).map { start + length * $0 / count }
        let points = [origin] + samples
        rates = zip(edges, edges.dropFirst()).map { edge, next in
            (Self.byteCount(points, at: next) - Self.byteCount(points, at: edge)) / ((next - edge) / .seconds(1))
        }
    }

    /// How long it is.
    public var duration: Duration { end - start }
    /// The rate over the whole of it.
    public var bytesPerSecond: Double { Double(byteCount) / (duration / .seconds(1)) }
    /// The lowest rate of its parts.
    public var leastRate: Double { rates.min() ?? bytesPerSecond }
    /// The one in the middle.
    public var medianRate: Double { rates.median ?? bytesPerSecond }
    /// The highest.
    public var mostRate: Double { rates.max() ?? bytesPerSecond }
    /// How long the parts are.
    public var partDuration: Duration { duration / max(1, rates.count) }

    /// What had arrived by a time, between two samples as if it came evenly.
    private static func byteCount(_ points: [BenchSample], at time: Duration) -> Double {
        guard let index = points.firstIndex(where: { $0.time >= time }), index > 0 else {
            return Double((points.last { $0.time <= time } ?? points[0]).byteCount)
        }
        let (before, after) = (points[index - 1], points[index])
        let length = after.time - before.time
        let share = length > .zero ? (time - before.time) / length : 1
        return Double(before.byteCount) + share * Double(after.byteCount - before.byteCount)
    }
}

extension [Double] {
    /// The value in the middle; of two, what is between them.
    var median: Double? {
        guard !isEmpty else { return nil }
        let sorted = sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
