// XEP-0082: XMPP Date and Time Profiles

/// A moment on the wire, such as `2026-01-31T12:00:00Z`.
public struct Timestamp: Sendable, Hashable {
    /// Seconds since 1970-01-01T00:00:00Z, without fractions.
    public var unixSeconds: Int64

    /// Creates a moment.
    public init(unixSeconds: Int64) {
        self.unixSeconds = unixSeconds
    }

    /// Reads a DateTime (XEP-0082 § 3.2) or the legacy format (§ 4); `nil` when it is neither.
    public init?(_ text: String) {
        var scanner = Scanner(text: Array(text.utf8))
        guard let year = scanner.number(digits: 4), year > 0 else { return nil }
        let isLegacy = !scanner.skip("-")
        guard let month = scanner.number(digits: 2), (1...12).contains(month), isLegacy || scanner.skip("-"),
            let day = scanner.number(digits: 2), (1...Self.dayCount(ofMonth: month, year)).contains(day),
            scanner.skip("T"), let hour = scanner.number(digits: 2), hour < 24, scanner.skip(":"),
            let minute = scanner.number(digits: 2), minute < 60, scanner.skip(":"),
            let second = scanner.number(digits: 2), second <= 60
        else { return nil }
        if scanner.skip(".") {
            guard scanner.number(digits: 1) != nil else { return nil }
            while scanner.number(digits: 1) != nil {}
        }
        var offset = 0
        if !scanner.skip("Z"), !(isLegacy && scanner.isAtEnd) {
            let isWest = scanner.skip("-")
            guard isWest || scanner.skip("+"), let hours = scanner.number(digits: 2), hours < 24, scanner.skip(":"),
                let minutes = scanner.number(digits: 2), minutes < 60
            else { return nil }
            offset = (isWest ? -60 : 60) * (hours * 60 + minutes)
        }
        guard scanner.isAtEnd else { return nil }
        unixSeconds =
            Int64(Self.dayNumber(year, month, day)) * 86400 + Int64(hour * 3600 + minute * 60 + second - offset)
    }

    private static func dayCount(ofMonth month: Int, _ year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01. The year is taken to begin with March, so that a leap day is its last.
    private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month > 2 ? year : year - 1
        let monthFromMarch = (month + 9) % 12
        let leapDays = year / 4 - year / 100 + year / 400
        return 365 * year + leapDays + (153 * monthFromMarch + 2) / 5 + day - 1 - 719_468
    }

    private struct Scanner {
        var text: [UInt8]
        var position = 0

        var isAtEnd: Bool { position == text.count }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        mutating func number(digits: Int) -> Int? {
            guard position + digits <= text.count else { return nil }
            var number = 0
            for byte in text[position..<(position + digits)] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                number = number * 10 + Int(byte - UInt8(ascii: "0"))
            }
            position += digits
            return number
        }
    }
}
