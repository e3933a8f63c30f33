// XEP-0082: XMPP Date and Time Profiles, § 3.2 (DateTime)

extension Timestamp: CustomStringConvertible {
    /// The moment in UTC, `CCYY-MM-DDThh:mm:ssZ`. Moments outside of the years 0 to 9999, for which the format has no
    /// digits, are written as the first or last one inside.
    public var description: String {
        let seconds = min(max(unixSeconds, -62_167_219_200), 253_402_300_799)
        // Days and eras of 400 years are counted from 0000-03-01, so that a leap day is the last of its year.
        let dayNumber = Int(seconds.flooredQuotient(by: 86_400)) + 719_468
        let era = dayNumber.flooredQuotient(by: 146_097)
        let dayOfEra = dayNumber - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        let clock = Int(seconds - seconds.flooredQuotient(by: 86_400) * 86_400)
        let date = "\(Self.digits(year, 4))-\(Self.digits(month, 2))-\(Self.digits(day, 2))"
        return
            "\(date)T\(Self.digits(clock / 3600, 2)):\(Self.digits(clock / 60 % 60, 2)):\(Self.digits(clock % 60, 2))Z"
    }

    private static func digits(_ number: Int, _ count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
}

extension FixedWidthInteger {
    /// The quotient rounded towards negative infinity.
    fileprivate func flooredQuotient(by divisor: Self) -> Self {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
