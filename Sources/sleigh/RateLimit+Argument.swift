import ArgumentParser
import Jingle
import TerminalUI

extension RateLimit {
    /// What a user may write, in a few words.
    static let notation = "bytes a second, such as 500k, 20M or 1.5Mi, or bits, such as 160Mbit"

    /// Reads a number with a ``ByteUnit`` of bytes (`B`, which may be left out) or of `bit`; `/s` may follow. Upper and lower case are the same but for `b` alone, which some mean as
    /// bits and others as bytes.
    ///
    /// - Throws: `ValidationError` with what is wrong with it.
    static func reading(_ argument: String) throws -> RateLimit {
        let name = "'\(printable(argument, columns: 40))'"
        let notUnderstood = ValidationError("\(name) is not a rate. Write \(notation).")
        guard case (let digits, let number, var unit)? = ByteUnit.split(argument) else { throw notUnderstood }
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
        guard let factor = ByteUnit.factor(of: unit) else { throw notUnderstood }
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
