internal import Glibc

/// An axis from 0 on whose marks are at round numbers: 1, 2 or 5 times a power of ten apart.
public struct AxisScale: Sendable, Hashable {
    /// The end of the axis.
    public let end: Double
    /// The distance between two marks.
    public let step: Double

    /// Makes an axis on which a value has room, with about so many marks beside that at 0.
    public init(covering value: Double, markCount: Int, endsAtMark: Bool = true) {
        let value = value.isFinite && value > 0 ? value : 1
        let rough = value / Double(max(1, markCount))
        let power = pow(10, floor(log10(rough)))
        // 1.0000001 for what is a round number but for its rounding.
        let step = ([1, 2, 5, 10].first { $0 * power * 1.000_000_1 >= rough } ?? 10) * power
        self.step = step
        end = endsAtMark ? (value / step / 1.000_000_1).rounded(.up) * step : value
    }

    /// The marks, from 0 on.
    public var marks: [Double] { (0...Int((end / step * 1.000_000_1).rounded(.down))).map { Double($0) * step } }

    /// A mark's number, without decimals that say nothing.
    public func text(_ mark: Double) -> String {
        let digits = max(0, Int(-floor(log10(step) + 1e-9)))
        guard digits > 0 else { return String(Int(mark.rounded())) }
        let factor = pow(10, Double(digits))
        let scaled = Int((mark * factor).rounded())
        let fraction = String(scaled % Int(factor))
        return "\(scaled / Int(factor)).\(String(repeating: "0", count: digits - fraction.utf8.count))\(fraction)"
    }
}
