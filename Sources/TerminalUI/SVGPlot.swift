/// Values over time as a drawing in SVG, for a report: black on white, with axes, units and a legend.
///
/// Series of one group have one colour, and those with dashes are told from the others without colour too.
public struct SVGPlot: Sendable {
    private let series: [PlotSeries]
    private let title: String
    private let xLabel: String
    private let yLabel: String

    /// Okabe and Ito's colours, which people with any kind of sight can tell apart; without yellow, which is too light.
    private static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00"]
    private static let width = 800.0
    private static let plotHeight = 320.0
    private static let margin = (left: 76.0, top: 44.0, right: 20.0, bottom: 54.0)
    private static let legendRowHeight = 20.0
    private static let legendColumnWidth = 350.0

    /// Prepares a drawing.
    public init(_ series: [PlotSeries], title: String, xLabel: String, yLabel: String) {
        self.series = series
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
    }

    private var area: (x: Double, y: Double, width: Double, height: Double) {
        let margin = Self.margin
        return (margin.left, margin.top, Self.width - margin.left - margin.right, Self.plotHeight)
    }

    private var legendRowCount: Int { (series.count + 1) / 2 }

    /// The whole document.
    public var document: String {
        let height = area.y + area.height + Self.margin.bottom + Double(legendRowCount) * Self.legendRowHeight + 10
        let x = AxisScale(covering: series.map(\.end).max() ?? 0, markCount: 10, endsAtMark: false)
        let y = AxisScale(covering: series.map(\.most).max() ?? 0, markCount: 6)
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <svg xmlns="http://www.w3.org/2000/svg" width="\(number(Self.width))" height="\(number(height))" \
            viewBox="0 0 \(number(Self.width)) \(number(height))" font-family="sans-serif" font-size="13" fill="#000">
            <title>\(escaped(title))</title>
            <rect width="100%" height="100%" fill="#fff"/>
            \(text(title, x: area.x, y: 26, "font-size=\"16\" font-weight=\"bold\""))
            \(axes(x, y))
            \(series.map { line($0, x, y) }.joined(separator: "\n"))
            \(legend)
            </svg>

            """
    }

    // MARK: Parts

    private func axes(_ x: AxisScale, _ y: AxisScale) -> String {
        let (left, top, width, height) = area
        let bottom = top + height
        var parts: [String] = []
        for mark in y.marks {
            let position = bottom - mark / y.end * height
            parts.append(segment(left, position, left + width, position, "stroke=\"#ccc\""))
            parts.append(text(y.text(mark), x: left - 8, y: position + 4.5, "text-anchor=\"end\""))
        }
        for mark in x.marks {
            let position = left + mark / x.end * width
            parts.append(segment(position, bottom, position, bottom + 5, "stroke=\"#000\""))
            parts.append(text(x.text(mark), x: position, y: bottom + 20, "text-anchor=\"middle\""))
        }
        parts.append(segment(left, bottom, left + width, bottom, "stroke=\"#000\""))
        parts.append(segment(left, top, left, bottom, "stroke=\"#000\""))
        parts.append(text(xLabel, x: left + width / 2, y: bottom + 40, "text-anchor=\"middle\""))
        let middle = top + height / 2
        parts.append(
            text(yLabel, x: 20, y: middle, "text-anchor=\"middle\" transform=\"rotate(-90 20 \(number(middle)))\""))
        return parts.joined(separator: "\n")
    }

    private func line(_ series: PlotSeries, _ x: AxisScale, _ y: AxisScale) -> String {
        let (left, top, width, height) = area
        let points = series.steps.map { step in
            let time = (step.start + step.end) / 2
            return "\(number(left + time / x.end * width)),\(number(top + height - step.value / y.end * height))"
        }
        return "<polyline fill=\"none\" \(stroke(series)) points=\"\(points.joined(separator: " "))\"/>"
    }

    private var legend: String {
        let top = area.y + area.height + Self.margin.bottom + 14
        return series.enumerated().map { index, series in
            let x = area.x + Double(index % 2) * Self.legendColumnWidth
            let y = top + Double(index / 2) * Self.legendRowHeight
            return segment(x, y - 4.5, x + 36, y - 4.5, stroke(series)) + "\n" + text(series.name, x: x + 44, y: y, "")
        }.joined(separator: "\n")
    }

    private func stroke(_ series: PlotSeries) -> String {
        let colour = Self.colours[series.group % Self.colours.count]
        return "stroke=\"\(colour)\" stroke-width=\"2\"" + (series.isDashed ? " stroke-dasharray=\"7 4\"" : "")
    }

    private func segment(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ attributes: String) -> String {
        "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" \(attributes)/>"
    }

    private func text(_ text: String, x: Double, y: Double, _ attributes: String) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\"\(attributes.isEmpty ? "" : " " + attributes)>\(escaped(text))</text>"
    }

    private func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
    }

    /// A coordinate, with one decimal at most.
    private func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths.isMultiple(of: 10) ? String(tenths / 10) : "\(Double(tenths) / 10)"
    }
}
