import Testing

@testable import sleigh

/// Sizes on the command line have the units of rates.
struct ByteSizeTests {
    @Test(arguments: [
        ("1", 1), ("4096", 4096), ("100M", 100_000_000), ("100m", 100_000_000), ("1.5Gi", 1_610_612_736),
        ("2kB", 2000), ("2KiB", 2048), ("3T", 3_000_000_000_000),
    ])
    func read(argument: String, byteCount: UInt64) { #expect(ByteSize(argument: argument)?.byteCount == byteCount) }

    @Test(arguments: [
        "", "0", "-1", "M", "1.", ".5M", "1e9", "1 M", "1X", "1Mbit", "1b", "9999999T", "1.2.3M", "٣M",
        String(repeating: "1", count: 50),
    ])
    func refused(argument: String) { #expect(ByteSize(argument: argument) == nil) }
}
