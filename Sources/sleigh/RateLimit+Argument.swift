import ArgumentParser
import Jingle
import TerminalUI

extension RateLimit {
    /// What a user may write, in a few words.
    static let notation = "bytes a second, such as 500k, 20M or 1.5Mi, or bits, such as 160Mbit"

    private static let factors: [String: Double] = [
        "": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 0x1p10, "mi": 0x1p20, "gi": 0x1p30, "ti": 0x1p40,
    ]

    /// Reads a number with a unit: decimal `k`, `M`, `G` and `T` or binary `Ki`, `Mi`, `Gi` and `Ti`, of bytes (`B`, which may
    /// be left out) or of `bit`; `/s` may follow. Upper and lower case are the same but for `b` alone, which some mean as
    /// bits and others as bytes.
    ///
    /// - Throws: `ValidationError` with what is wrong with it.
    static func reading(_ argument: String) throws -> RateLimit {
        let name = "'\(printable(argument, columns: 40))'"
        let notUnderstood = ValidationError("\(name) is not a rate. Write \(notation).")
        guard argument.utf8.count <= 40 else { throw notUnderstood }
        let digits = argument.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        guard digits.first?.isNumber == true, digits.last?.isNumber == true, let number = Double(digits) else {
            throw notUnderstood
        }
        var unit = argument[digits.endIndex...]
        if unit.hasSuffix("/s") { unit = unit.dropLast(2) }
        var divisor = 1.0
        if unit.lowercased().hasSuffix("bit") {
            unit = unit.dropLast(3)
            divisor = 8
        } else if unit.hasSuffix("B") {
            unit = unit.dropLast()
        } else if unit.hasSuffix("b") {
            let rest = printable("\(digits)\(unit.dropLast())")
            throw ValidationError("\(name) may mean bits or bytes. Write \(rest)bit or \(rest)B.")
        }
        guard let factor = factors[unit.lowercased()] else { throw notUnderstood }
        let bytesPerSecond = (number * factor / divisor).rounded()
        let range = bytesPerSecondRange
        guard bytesPerSecond >= Double(range.lowerBound) else {
            throw ValidationError("\(name) is too little: the least is 1k, a thousand bytes a second.")
        }
        guard bytesPerSecond <= Double(range.upperBound), let limit = RateLimit(bytesPerSecond: UInt64(bytesPerSecond))
        else { throw ValidationError("\(name) is too much: the most is 1T, a million million bytes a second.") }
        return limit
    }

    /// The limit as it is shown: `19.1 MiB/s (160 Mbit/s)`.
    var text: String {
        let rate = Double(bytesPerSecond)
        return "\(Format.rate(bytesPerSecond: rate)) (\(Format.bitRate(bytesPerSecond: rate)))"
    }
}
