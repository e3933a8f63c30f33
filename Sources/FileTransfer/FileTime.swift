internal import Glibc

/// The time a file was last written to.
public struct FileTime: Sendable, Hashable {
    /// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
    public let seconds: Int
    /// Nanoseconds within the second.
    public let nanoseconds: Int

    /// Makes a time from seconds since 1970 and nanoseconds within the second.
    public init(seconds: Int, nanoseconds: Int = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// The time as XEP-0082 § 3.2 writes it, to the second: `2026-11-23T02:23:37Z`.
    ///
    /// `nil` outside the years 0 to 9999.
    public var dateTime: String? {
        var time = time_t(seconds)
        var parts = tm()
        guard gmtime_r(&time, &parts) != nil, (-1900...8099).contains(parts.tm_year) else { return nil }
        func padded(_ number: Int32, _ width: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
        return "\(date)T\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec))Z"
    }
}
