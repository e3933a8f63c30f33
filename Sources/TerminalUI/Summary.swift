/// What is said of a finished transfer.
public struct Summary: Sendable, Hashable {
    /// The file, as the user may look it up: a path or a name, printable.
    public var name: String
    /// The size of the file in bytes.
    public var byteCount: UInt64
    /// How many of them were transferred before this time.
    public var resumedByteCount: UInt64
    /// How long the transfer took.
    public var duration: Duration
    /// The path the bytes took, printable: `direct udp 12 ms`.
    public var path: String?
    /// Why each better path was not taken, printable, one sentence each.
    public var obstacles: [String]
    /// The checksum, with the name of its function: `sha-256 5d41…`.
    public var checksum: String?
    /// Whether both ends have the same checksum.
    public var isVerified: Bool

    /// Collects what is known.
    public init(
        name: String, byteCount: UInt64, resumedByteCount: UInt64 = 0, duration: Duration, path: String? = nil,
        obstacles: [String] = [], checksum: String? = nil, isVerified: Bool = false
    ) {
        self.name = name
        self.byteCount = byteCount
        self.resumedByteCount = resumedByteCount
        self.duration = duration
        self.path = path
        self.obstacles = obstacles
        self.checksum = checksum
        self.isVerified = isVerified
    }

    /// One line with the figures, one for each better path that was not taken, and one with the checksum if there is any.
    ///
    ///     report.pdf: 2.3 GiB in 1 min 02 s, 38.0 MiB/s (319 Mbit/s), direct udp 12 ms
    ///       no better path: no TCP connection: none in time
    ///     sha-256 5d41402abc4b2a76b9719d911017c592… verified
    public var lines: [String] {
        let moved = byteCount - min(byteCount, resumedByteCount)
        let seconds = Format.seconds(duration)
        var figures = "\(name): \(Format.bytes(byteCount)) in \(Format.duration(duration))"
        if resumedByteCount > 0 { figures += " (\(Format.bytes(min(byteCount, resumedByteCount))) were there before)" }
        if moved > 0, seconds > 0 {
            let rate = Double(moved) / seconds
            figures += ", \(Format.rate(bytesPerSecond: rate)) (\(Format.bitRate(bytesPerSecond: rate)))"
        }
        if let path { figures += ", \(path)" }
        let lines = [figures] + obstacles.map { "  no better path: \($0)" }
        guard let checksum else { return lines }
        return lines + ["\(checksum) \(isVerified ? "verified" : "not verified: the other client cannot do that")"]
    }
}
