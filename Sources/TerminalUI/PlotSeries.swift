/// Values over time, under one name.
public struct PlotSeries: Sendable, Hashable {
    /// A value that holds for a time.
    public struct Step: Sendable, Hashable {
        /// When it begins, in seconds.
        public var start: Double
        /// When it ends, in seconds.
        public var end: Double
        /// The value meanwhile.
        public var value: Double

        /// Creates a step.
        public init(start: Double, end: Double, value: Double) {
            self.start = start
            self.end = end
            self.value = value
        }
    }

    /// What the legend says; printable.
    public var name: String
    /// In the order of time.
    public var steps: [Step]
    /// Which colour it has: the same for series that belong together.
    public var group: Int
    /// Whether it is drawn with dashes.
    public var isDashed: Bool

    /// Creates a series.
    public init(name: String, steps: [Step], group: Int = 0, isDashed: Bool = false) {
        self.name = name
        self.steps = steps
        self.group = group
        self.isDashed = isDashed
    }

    /// The highest value; 0 without any.
    var most: Double { steps.map(\.value).max() ?? 0 }
    /// The end of the last value; 0 without any.
    var end: Double { steps.last?.end ?? 0 }

    /// The mean value over a time; `nil` where there is none.
    func mean(_ range: Range<Double>) -> Double? {
        var (sum, length) = (0.0, 0.0)
        for step in steps where step.end > range.lowerBound && step.start < range.upperBound {
            let part = min(step.end, range.upperBound) - max(step.start, range.lowerBound)
            sum += step.value * part
            length += part
        }
        return length > 0 ? sum / length : nil
    }
}
