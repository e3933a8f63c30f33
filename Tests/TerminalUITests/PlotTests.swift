import Foundation
import FoundationXML
import Testing

@testable import TerminalUI

@Suite struct PlotTests {
    private static let ramp = PlotSeries(
        name: "direct udp up",
        steps: (0..<20).map { .init(start: Double($0) / 10, end: Double($0 + 1) / 10, value: Double(min($0, 8)) * 10) })
    private static let flat = PlotSeries(
        name: "down", steps: [.init(start: 0, end: 4, value: 95)], group: 1, isDashed: true)

    @Test(
        arguments: [
            (95, 2, 100, 50, ["0", "50", "100"]), (100, 2, 100, 50, ["0", "50", "100"]),
            (101, 2, 200, 100, ["0", "100", "200"]), (0.7, 2, 1, 0.5, ["0.0", "0.5", "1.0"]),
            (940, 6, 1000, 200, ["0", "200", "400", "600", "800", "1000"]), (0.03, 3, 0.03, 0.01, nil),
            (0, 2, 1, 0.5, nil), (.nan, 2, 1, 0.5, nil), (1e12, 2, 1e12, 5e11, nil),
        ] as [(Double, Int, Double, Double, [String]?)])
    func scales(value: Double, marks: Int, end: Double, step: Double, texts: [String]?) {
        let scale = AxisScale(covering: value, markCount: marks)
        #expect(abs(scale.end - end) < end * 1e-9)
        #expect(abs(scale.step - step) < step * 1e-9)
        if let texts { #expect(scale.marks.map(scale.text) == texts) }
    }

    @Test func plotInBlocks() {
        let lines = TextPlot([Self.ramp], unit: "Mbit/s", isUnicode: true).lines(columns: 43, height: 3)
        #expect(
            lines == [
                "              100 ┤        ▁▃▃▃▃▃▃▃▃▃▃▃▃▃▃",
                "direct udp up     ┤     ▂▄▆███████████████",
                "                0 ┤ ▂▄▆███████████████████",
                "                  └──────────1───────────2",
                "              Mbit/s over seconds",
            ])
    }

    @Test func plotInASCIIAndOneLineEach() {
        let lines = TextPlot([Self.ramp, Self.flat], unit: "Mbit/s", isUnicode: false).lines(columns: 60, height: 1)
        #expect(
            lines == [
                "direct udp up 100 |  ...::|||||||||||||",
                "down          100 |########################################",
                "                  +---------1---------2---------3---------4",
                "              Mbit/s over seconds",
            ])
        #expect(lines.allSatisfy { $0.utf8.allSatisfy { $0 < 128 } })
    }

    /// However wide the terminal is: no line is wider, and in a very narrow one there is no plot.
    @Test(arguments: [1, 10, 20, 39, 40, 80, 81, 200])
    func plotFitsTheWidth(columns: Int) {
        for isUnicode in [true, false] {
            let lines = TextPlot([Self.ramp, Self.flat], unit: "Mbit/s", isUnicode: isUnicode)
                .lines(columns: columns, height: 3)
            #expect(lines.allSatisfy { displayWidth($0) <= max(columns - 1, 0) }, "\(lines)")
            #expect(lines.isEmpty == (columns < 30), "\(columns)")
        }
    }

    @Test func nothingToPlot() {
        #expect(TextPlot([], unit: "x", isUnicode: true).lines(columns: 80, height: 5).isEmpty)
        let empty = PlotSeries(name: "none", steps: [])
        #expect(TextPlot([empty], unit: "x", isUnicode: true).lines(columns: 80, height: 5).isEmpty)
    }

    /// Counts the elements of a document, and fails where it is not well-formed.
    private final class Elements: NSObject, XMLParserDelegate {
        var names: [String: Int] = [:]
        var texts: [String] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String] = [:]
        ) {
            names[name, default: 0] += 1
            texts.append("")
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) {
            texts[texts.count - 1] += string.filter { $0 != "\n" }
        }
    }

    private static let odd = PlotSeries(name: "<&\"'>", steps: [.init(start: 0, end: 1, value: 2)])

    @Test(arguments: [[], [ramp], [ramp, flat], [odd]])
    func drawingIsWellFormed(series: [PlotSeries]) throws {
        let document = SVGPlot(series, title: "a < b & c", xLabel: "seconds", yLabel: "Mbit/s").document
        let parser = XMLParser(data: Data(document.utf8))
        let elements = Elements()
        parser.delegate = elements
        #expect(parser.parse(), "\(String(describing: parser.parserError)) \(document)")
        #expect(elements.names["svg"] == 1)
        #expect(elements.names["polyline", default: 0] == series.count)
        for text in ["a < b & c", "seconds", "Mbit/s"] + series.map(\.name) {
            #expect(elements.texts.contains(text), "\(text)")
        }
        #expect(!document.contains("nan") && !document.contains("inf"))
        #expect(document.contains("stroke-dasharray") == series.contains(where: \.isDashed))
    }

    @Test(
        arguments: [
            ([], ""), (["a"], "a"), (["a", "", "b c"], "a,,b c"), (["a,b", "c"], "\"a,b\",c"),
            (["say \"no\""], "\"say \"\"no\"\"\""), (["\""], "\"\"\"\""),
            (["two\nlines", "\r"], "\"two\nlines\",\"\r\""),
            (["a\r\nb"], "\"a\r\nb\""),
        ] as [([String], String)])
    func valuesSeparatedByCommas(fields: [String], record: String) {
        #expect(CSV.record(fields) == record)
    }
}
