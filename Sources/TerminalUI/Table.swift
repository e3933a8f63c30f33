/// Rows of text with aligned columns, two spaces apart.
public struct Table: Sendable {
    /// How the cells of a column are aligned.
    public enum Alignment: Sendable { case left, right }

    private let alignments: [Alignment]
    private var rows: [[String]] = []

    /// Creates an empty table with a column for each alignment.
    public init(_ alignments: [Alignment]) { self.alignments = alignments }

    /// Appends a row of printable cells; missing ones are empty.
    public mutating func append(_ cells: [String]) {
        precondition(cells.count <= alignments.count)
        rows.append(cells + Array(repeating: "", count: alignments.count - cells.count))
    }

    /// The lines, each without trailing spaces.
    public var lines: [String] {
        let widths = alignments.indices.map { column in rows.map { displayWidth($0[column]) }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                if column > 0 { line += "  " }
                line += padded(cell, columns: widths[column], onTheLeft: alignments[column] == .right)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
