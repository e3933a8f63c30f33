// XEP-0082 § 3.2: the DateTime profile.

/// A moment in time, as XMPP writes it.
public struct DateTime: Sendable, Hashable {
    /// Seconds since 1970-01-01T00:00:00Z, without leap seconds; negative before.
    public let secondsSince1970: Int64
    /// The rest of a second, in nanoseconds, from 0 to 999 999 999.
    public let nanoseconds: Int32

    /// Creates a moment; `nil` outside of the years 1 to 9999, which is what the format can write.
    public init?(secondsSince1970: Int64, nanoseconds: Int32 = 0) {
        guard (-62_135_596_800...253_402_300_799).contains(secondsSince1970), (0..<1_000_000_000).contains(nanoseconds)
        else { return nil }
        self.secondsSince1970 = secondsSince1970
        self.nanoseconds = nanoseconds
    }

    /// Reads `CCYY-MM-DDThh:mm:ss[.sss]TZD`, where `TZD` is `Z` or `(+|-)hh:mm`; `nil` for anything else.
    ///
    /// More leniently than the profile: the zone may be absent, which means UTC, and may be written twice, as
    /// Gajim does (`+00:00Z`).
    public init?(_ text: String) {
        guard text.utf8.count <= 64 else { return nil }
        var rest = Array(text.trimmed.utf8)[...]
        guard let year = Self.number(&rest, 4), Self.skip(&rest, "-"), let month = Self.number(&rest, 2),
            Self.skip(&rest, "-"), let day = Self.number(&rest, 2), Self.skip(&rest, "T") || Self.skip(&rest, "t"),
            let hour = Self.number(&rest, 2), Self.skip(&rest, ":"), let minute = Self.number(&rest, 2),
            Self.skip(&rest, ":"), let second = Self.number(&rest, 2)
        else { return nil }
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1, day <= Self.dayCount(month, of: year),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var nanoseconds: Int32 = 0
        if Self.skip(&rest, ".") {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            for index in 0..<9 {
                let digit = index < digits.count ? digits[digits.startIndex + index] - 0x30 : 0
                nanoseconds = nanoseconds * 10 + Int32(digit)
            }
            rest = rest.dropFirst(digits.count)
        }
        guard let offset = Self.zoneOffset(&rest) else { return nil }
        _ = offset != nil && (Self.skip(&rest, "Z") || Self.skip(&rest, "z"))
        guard rest.isEmpty else { return nil }
        let days = Self.days(year, month, day)
        let seconds = days * 86_400 + Int64(hour * 3600 + minute * 60 + min(second, 59)) - Int64(offset ?? 0)
        self.init(secondsSince1970: seconds, nanoseconds: nanoseconds)
    }

    /// Reads the zone, in seconds east of UTC: the inner value is `nil` when none is written as an offset, the
    /// outer one when it is malformed.
    private static func zoneOffset(_ rest: inout ArraySlice<UInt8>) -> Int??  {
        guard let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else {
            _ = skip(&rest, "Z") || skip(&rest, "z")
            return .some(nil)
        }
        rest = rest.dropFirst()
        guard let hours = number(&rest, 2), skip(&rest, ":"), let minutes = number(&rest, 2), hours < 24, minutes < 60
        else { return nil }
        let offset = hours * 3600 + minutes * 60
        return .some(sign == UInt8(ascii: "-") ? -offset : offset)
    }

    private static func number(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> Int? {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest = rest.dropFirst(count)
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private static func skip(_ rest: inout ArraySlice<UInt8>, _ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    private static func dayCount(_ month: Int, of year: Int) -> Int {
        switch month {
        case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar, counted from 1 March so that the leap day is last.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let shiftedMonth = (month + 9) % 12
        let dayOfYear = (153 * shiftedMonth + 2) / 5 + day - 1
        let leapDays = shiftedYear / 4 - shiftedYear / 100 + shiftedYear / 400
        return Int64(365 * shiftedYear + leapDays + dayOfYear - 719_468)
    }
}

extension DateTime: CustomStringConvertible {
    /// The moment in UTC, with as many digits of the second as it needs.
    public var description: String {
        var day = secondsSince1970 / 86_400
        var second = secondsSince1970 % 86_400
        if second < 0 {
            second += 86_400
            day -= 1
        }
        var year = Int(day / 366) + 1969
        while Self.days(year + 1, 1, 1) <= day { year += 1 }
        while Self.days(year, 1, 1) > day { year -= 1 }
        var month = 1
        while month < 12, Self.days(year, month + 1, 1) <= day { month += 1 }
        let dayOfMonth = Int(day - Self.days(year, month, 1)) + 1
        let date = "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(dayOfMonth, 2))"
        let clock = [second / 3600, second / 60 % 60, second % 60].map { Self.padded(Int($0), 2) }
        var fraction = nanoseconds == 0 ? "" : "." + Self.padded(Int(nanoseconds), 9)
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return "\(date)T\(clock[0]):\(clock[1]):\(clock[2])\(fraction)Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
