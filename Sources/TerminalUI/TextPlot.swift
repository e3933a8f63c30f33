/// Values over time as lines of text: columns of block characters, or of ASCII where there are none.
public struct TextPlot: Sendable {
    private let series: [PlotSeries]
    private let unit: String
    private let isUnicode: Bool

    private static let blocks = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    private static let asciiBlocks = [" ", " ", ".", ".", ":", ":", "|", "|", "#"]
    /// The least width of the field in which the columns are.
    private static let leastColumns = 10

    /// Prepares a plot.
    ///
    /// - Parameters:
    ///   - unit: the unit of the values.
    ///   - isUnicode: whether characters beyond ASCII can be shown.
    public init(_ series: [PlotSeries], unit: String, isUnicode: Bool) {
        self.series = series
        self.unit = unit
        self.isUnicode = isUnicode
    }

    /// The lines, none wider than that: a field of that height for each series, all with the same axes.
    public func lines(columns: Int, height: Int) -> [String] {
        let most = series.map(\.most).max() ?? 0
        let end = series.map(\.end).max() ?? 0
        guard most > 0, end > 0 else { return [] }
        let scale = AxisScale(covering: most, markCount: 5)
        let labels = series.map(\.name)
        let nameWidth = labels.map(displayWidth).max() ?? 0
        let top = scale.text(scale.end)
        let width = columns - 1 - nameWidth - 1 - top.count - 2
        guard width >= Self.leastColumns else { return [] }
        let wall = isUnicode ? "┤" : "|"
        var lines: [String] = []
        for series in series {
            let values = (0..<width).map { column in
                series.mean(Double(column) / Double(width) * end..<Double(column + 1) / Double(width) * end)
            }
            for row in (0..<height).reversed() {
                let isMiddle = row == height / 2
                let name = padded(isMiddle ? series.name : "", columns: nameWidth)
                let number = row == height - 1 ? top : height > 1 && row == 0 ? "0" : ""
                let cells = values.map { cell($0, row: row, of: height, scale) }.joined()
                lines.append("\(name) \(padded(number, columns: top.count, onTheLeft: true)) \(wall)\(cells)")
            }
        }
        let indentation = String(repeating: " ", count: nameWidth + 1)
        lines.append(
            indentation
                + timeAxis(
                    end, width: width, label: "\(padded("0", columns: top.count, onTheLeft: true)) "))
        return lines.map { line in
            var line = line
            while line.last == " " { line.removeLast() }
            return line
        } + ["\(indentation)\(unit) over seconds"]
    }

    private func cell(_ value: Double?, row: Int, of height: Int, _ scale: AxisScale) -> String {
        guard let value else { return " " }
        let eighths = Int((value / scale.end * Double(height) * 8).rounded()) - row * 8
        let blocks = isUnicode ? Self.blocks : Self.asciiBlocks
        return blocks[max(0, min(8, eighths))]
    }

    /// The axis with its marks, the line below the columns.
    private func timeAxis(_ end: Double, width: Int, label: String) -> String {
        let scale = AxisScale(covering: end, markCount: max(1, min(10, width / 8)), endsAtMark: false)
        var cells = Array(repeating: isUnicode ? "─" : "-", count: width)
        for mark in scale.marks.dropFirst() {
            let text = Array(scale.text(mark))
            let last = min(width - 1, Int(mark / end * Double(width)) - 1)
            guard last - text.count + 1 > 0 else { continue }
            for (offset, character) in text.enumerated() {
                cells[last - text.count + 1 + offset] = String(character)
            }
        }
        return String(repeating: " ", count: label.count) + (isUnicode ? "└" : "+") + cells.joined()
    }
}
