/// Quantities in words, rounded to the nearest, the same everywhere.
public enum Format {
    /// A size in binary units, with one decimal from KiB on: `0 B`, `999 B`, `2.3 GiB`.
    public static func bytes(_ count: UInt64) -> String {
        guard count >= 1024 else { return "\(count) B" }
        return scaled(Double(count), base: 1024, units: ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
    }

    /// How much of a size is there, in the units of both or, if that is the same, of one: `1.1/2.3 GiB`.
    static func bytes(_ count: UInt64, of total: UInt64) -> String {
        let (some, all) = (bytes(count), bytes(total))
        let units = [some, all].map { $0.split(separator: " ").last }
        return units[0] == units[1] ? "\(some.prefix { $0 != " " })/\(all)" : "\(some)/\(all)"
    }

    /// A rate in binary units: `41.2 MiB/s`.
    public static func rate(bytesPerSecond: Double) -> String {
        let rate = sane(bytesPerSecond)
        guard rate >= 1023.5 else { return "\(Int(rate.rounded())) B/s" }
        return scaled(rate, base: 1024, units: ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s", "PiB/s", "EiB/s"])
    }

    /// A rate as networks state it, in decimal bits: `346 Mbit/s`, `9.4 Gbit/s`.
    public static func bitRate(bytesPerSecond: Double) -> String {
        let bits = sane(bytesPerSecond) * 8
        guard bits >= 999.5 else { return "\(Int(bits.rounded())) bit/s" }
        return scaled(bits, base: 1000, units: ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", "Pbit/s"], digits: 3)
    }

    /// A time with two units at most: `0.35 s`, `4.2 s`, `38 s`, `2 min 05 s`, `3 h 20 min`, `2 d 4 h`.
    public static func duration(_ duration: Duration) -> String {
        let seconds = self.seconds(duration)
        if seconds < 0.9995 { return "\(decimal(seconds, digits: 2)) s" }
        if seconds < 9.95 { return "\(decimal(seconds, digits: 1)) s" }
        return wholeDuration(seconds)
    }

    /// A time for something that is being counted down or up: whole seconds, `4 s`, `2 min 05 s`.
    public static func countdown(_ duration: Duration) -> String { wholeDuration(seconds(duration)) }

    /// A share in whole per cent, rounded down so that only a complete one is `100 %`; `100 %` of nothing.
    public static func percentage(_ count: UInt64, of total: UInt64) -> String {
        "\(wholePercentage(count, of: total)) %"
    }

    // MARK: -

    static func wholePercentage(_ count: UInt64, of total: UInt64) -> Int {
        guard count < total else { return 100 }
        // Full width: hundred times a size may be more than 64 bits hold.
        return Int(total.dividingFullWidth(count.multipliedFullWidth(by: 100)).quotient)
    }

    static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return max(0, Double(seconds) + Double(attoseconds) * 1e-18)
    }

    private static func wholeDuration(_ seconds: Double) -> String {
        let total = Int(min(seconds, 1e15).rounded())
        if total < 60 { return "\(total) s" }
        if total < 3600 { return "\(total / 60) min \(twoDigits(total % 60)) s" }
        // Without its seconds, so the minutes are rounded too.
        let minutes = (total + 30) / 60
        if minutes < 24 * 60 { return "\(minutes / 60) h \(twoDigits(minutes % 60)) min" }
        let hours = (total + 1800) / 3600
        return "\(hours / 24) d \(hours % 24) h"
    }

    /// Scales to the largest unit in which the rounded number is at least 1, but not to the first.
    ///
    /// - Parameter digits: significant digits, beyond which the one decimal is left out.
    private static func scaled(_ value: Double, base: Double, units: [String], digits: Int = 9) -> String {
        var value = value
        var unit = 0
        let limit = base == 1024 ? 1023.95 : (digits == 3 ? 999.5 : 999.95)
        while unit == 0 || (value >= limit && unit < units.count - 1) {
            value /= base
            unit += 1
        }
        let isLong = digits == 3 && value >= 99.95
        return "\(decimal(value, digits: isLong ? 0 : 1)) \(units[unit])"
    }

    /// A number with fixed decimals, independent of any locale.
    private static func decimal(_ value: Double, digits: Int) -> String {
        let factor = [1, 10, 100][digits]
        let scaled = Int((min(value, 1e15) * Double(factor)).rounded())
        guard digits > 0 else { return String(scaled) }
        let fraction = String(scaled % factor)
        return "\(scaled / factor)." + String(repeating: "0", count: digits - fraction.utf8.count) + fraction
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    private static func sane(_ rate: Double) -> Double { rate.isFinite ? max(0, rate) : 0 }
}
