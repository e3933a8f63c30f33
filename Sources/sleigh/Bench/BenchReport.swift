import FileTransfer
import Jingle
import TerminalUI
import Transports
import XMPP

/// What was measured, for a person.
struct BenchReport {
    let rows: [BenchRow]

    private static let unknown = "–"

    /// The table, and below it why paths are missing.
    ///
    /// - Parameters:
    ///   - columns: how wide it may be, if that can be had by leaving columns out; `nil` for any width.
    ///   - isUnicode: whether characters beyond ASCII can be shown.
    func lines(columns: Int?, isUnicode: Bool) -> [String] {
        var lines = table(hasParts: true)
        if let columns, lines.contains(where: { displayWidth($0) > columns }) { lines = table(hasParts: false) }
        for row in rows {
            if case .partial(let why) = row.state { lines.append("\(row.path): not all was measured: \(why)") }
            for reason in row.missingReasons { lines.append("\(row.path): \(reason)") }
            for direction in row.result.directions where direction.window?.isWarm == false {
                lines.append("\(row.path) \(direction.direction.name): it was over before the path was warm.")
            }
        }
        guard !isUnicode else { return lines }
        return lines.map { line in
            line.reduce(into: "") { $0 += $1 == "–" ? "-" : $1 == "×" ? "x" : String($1) }
        }
    }

    /// - Parameter hasParts: whether to tell the rates of parts of the window.
    private func table(hasParts: Bool) -> [String] {
        var table = Table([.left, .left] + Array(repeating: .right, count: hasParts ? 9 : 6))
        func append(_ cells: [String]) {
            let isShort = hasParts || cells.count <= Self.partColumns.lowerBound
            table.append(
                isShort ? cells : Array(cells[..<Self.partColumns.lowerBound] + cells[Self.partColumns.upperBound...]))
        }
        append(["path", "", "Mbit/s", "median", "min", "max", "ping", "loaded", "resent", "CPU s/GiB", "connect"])
        for row in rows {
            for (index, direction) in row.result.directions.enumerated() {
                append(cells(of: direction, in: row, isFirst: index == 0))
            }
            if row.result.directions.isEmpty { append([row.path, state(of: row)]) }
        }
        return table.lines
    }

    /// The columns that are left out first.
    private static let partColumns = 3..<6

    private func state(of row: BenchRow) -> String {
        switch row.state {
        case .measured, .partial: ""
        case .missing: "not there"
        }
    }

    private func cells(of direction: BenchResult.Direction, in row: BenchRow, isFirst: Bool) -> [String] {
        let window = direction.window
        func rate(_ value: Double?) -> String {
            guard let value else { return Self.unknown }
            let megabits = value * 8 / 1e6
            return decimals(megabits, count: megabits < 10 ? 2 : megabits < 100 ? 1 : 0)
        }
        let processor = [direction.processorTime, direction.peerProcessorTime].map { time in
            direction.processorSecondsPerGiB(time).map { decimals($0, count: 2) } ?? Self.unknown
        }
        return [
            isFirst ? row.path : "",
            direction.direction.name + (direction.streamCount > 1 ? " ×\(direction.streamCount)" : ""),
            rate(window?.bytesPerSecond), rate(window?.medianRate), rate(window?.leastRate), rate(window?.mostRate),
            isFirst ? milliseconds(row.result.idleRoundTrips?.median) : "",
            milliseconds(direction.roundTrips?.median),
            direction.repeatedShare.map { "\(decimals($0 * 100, count: 2)) %" } ?? Self.unknown,
            processor.joined(separator: " / "),
            isFirst ? row.result.connectDuration.map { Format.duration($0) } ?? Self.unknown : "",
        ]
    }

    private func milliseconds(_ duration: Duration?) -> String {
        guard let duration else { return Self.unknown }
        let value = duration.inMilliseconds
        return "\(decimals(value, count: value < 10 ? 2 : value < 100 ? 1 : 0)) ms"
    }

    private func decimals(_ value: Double, count: Int) -> String {
        var factor = 1.0
        for _ in 0..<count { factor *= 10 }
        let scaled = Int((min(max(value, 0), 1e12) * factor).rounded())
        guard count > 0 else { return "\(scaled)" }
        let fraction = "\(scaled % Int(factor))"
        return "\(scaled / Int(factor))." + String(repeating: "0", count: count - fraction.count) + fraction
    }

    // MARK: Plots

    /// The rates over time.
    ///
    /// - Parameter bitsPerUnit: the unit of the values.
    private func series(bitsPerUnit: Double) -> [PlotSeries] {
        rows.enumerated().flatMap { group, row in
            row.result.directions.compactMap { direction in
                let steps = direction.steps(bitsPerUnit: bitsPerUnit)
                guard !steps.isEmpty else { return nil }
                return PlotSeries(
                    name: "\(row.path) \(direction.direction.name)", steps: steps, group: group,
                    isDashed: direction.direction == .down)
            }
        }
    }

    /// The unit in which the highest rate is a handy number.
    private var unit: (name: String, bits: Double) {
        let most = series(bitsPerUnit: 1).flatMap(\.steps).map(\.value).max() ?? 0
        return [("Gbit/s", 1e9), ("Mbit/s", 1e6)].first { most >= $0.1 } ?? ("kbit/s", 1e3)
    }

    /// A small plot for the terminal; high when there is one path, low when there are many.
    func plot(columns: Int, isUnicode: Bool) -> [String] {
        let series = series(bitsPerUnit: unit.bits)
        return TextPlot(series, unit: unit.name, isUnicode: isUnicode)
            .lines(columns: columns, height: series.count <= 2 ? 5 : series.count <= 4 ? 3 : 1)
    }

    /// A drawing for a report.
    var drawing: String {
        let peer = rows.lazy.compactMap(\.result.peer).first.map { " to \(printable($0.bare.description))" } ?? ""
        return SVGPlot(
            series(bitsPerUnit: unit.bits), title: "sleigh bench\(peer): what arrived", xLabel: "seconds",
            yLabel: unit.name
        ).document
    }
}

extension BenchRow {
    fileprivate var missingReasons: [String] { if case .missing(let reasons) = state { reasons } else { [] } }
}

extension BenchResult.Direction {
    /// What arrived between each two samples, as a rate.
    fileprivate func steps(bitsPerUnit: Double) -> [PlotSeries.Step] {
        zip(samples, samples.dropFirst()).compactMap { first, second in
            let length = (second.time - first.time).inSeconds
            guard length > 0.001 else { return nil }
            let rate = Double(second.byteCount - first.byteCount) * 8 / length / bitsPerUnit
            return PlotSeries.Step(start: first.time.inSeconds, end: second.time.inSeconds, value: rate)
        }
    }
}
