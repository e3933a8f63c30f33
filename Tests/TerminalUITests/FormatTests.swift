import Testing

@testable import TerminalUI

@Suite struct FormatTests {
    @Test(
        arguments: [
            (0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1075, "1.0 KiB"), (1076, "1.1 KiB"),
            (1_048_524, "1023.9 KiB"), (1_048_525, "1.0 MiB"), (1_048_576, "1.0 MiB"), (2_469_606_195, "2.3 GiB"),
            (1 << 40, "1.0 TiB"), (.max, "16.0 EiB"),
        ] as [(UInt64, String)])
    func bytes(count: UInt64, text: String) {
        #expect(Format.bytes(count) == text)
    }

    @Test(
        arguments: [
            (0, "0 B/s"), (0.4, "0 B/s"), (1023.4, "1023 B/s"), (1023.6, "1.0 KiB/s"), (43_201_331, "41.2 MiB/s"),
            (-5, "0 B/s"), (.nan, "0 B/s"), (.infinity, "0 B/s"),
        ] as [(Double, String)])
    func rates(rate: Double, text: String) {
        #expect(Format.rate(bytesPerSecond: rate) == text)
    }

    @Test(
        arguments: [
            (0, "0 bit/s"), (100, "800 bit/s"), (124.9, "999 bit/s"), (125, "1.0 kbit/s"), (1_250_000, "10.0 Mbit/s"),
            (43_201_331, "346 Mbit/s"), (124_930_000, "999 Mbit/s"), (124_940_000, "1.0 Gbit/s"),
            (1_175_000_000, "9.4 Gbit/s"),
        ] as [(Double, String)])
    func bitRates(rate: Double, text: String) {
        #expect(Format.bitRate(bytesPerSecond: rate) == text)
    }

    @Test(
        arguments: [
            (.zero, "0.00 s"), (.milliseconds(4), "0.00 s"), (.milliseconds(350), "0.35 s"),
            (.milliseconds(999), "1.00 s"),
            (.milliseconds(1000), "1.0 s"), (.milliseconds(4249), "4.2 s"), (.milliseconds(9949), "9.9 s"),
            (.milliseconds(9950), "10 s"), (.milliseconds(59_499), "59 s"), (.milliseconds(59_500), "1 min 00 s"),
            (.seconds(125), "2 min 05 s"), (.seconds(3599), "59 min 59 s"), (.seconds(3600), "1 h 00 min"),
            (.seconds(12_029), "3 h 20 min"), (.seconds(12_030), "3 h 21 min"), (.seconds(86_369), "23 h 59 min"),
            (.seconds(86_370), "1 d 0 h"), (.seconds(187_200), "2 d 4 h"), (.seconds(-3), "0.00 s"),
        ] as [(Duration, String)])
    func durations(duration: Duration, text: String) {
        #expect(Format.duration(duration) == text)
    }

    @Test(
        arguments: [
            (0, 0, "100 %"), (0, 10, "0 %"), (1, 3, "33 %"), (2, 3, "66 %"), (999, 1000, "99 %"), (1000, 1000, "100 %"),
            (1001, 1000, "100 %"), (UInt64.max - 1, .max, "99 %"),
        ] as [(UInt64, UInt64, String)])
    func percentages(count: UInt64, total: UInt64, text: String) {
        #expect(Format.percentage(count, of: total) == text)
    }

    @Test func summaryOfATransfer() {
        let summary = Summary(
            name: "big.iso", byteCount: 2_469_606_195, duration: .seconds(62), path: "direct udp 12 ms",
            obstacles: ["no TCP connection: none in time"], checksum: "sha-256 5d41402a", isVerified: true)
        #expect(
            summary.lines == [
                "big.iso: 2.3 GiB in 1 min 02 s, 38.0 MiB/s (319 Mbit/s), direct udp 12 ms",
                "  no better path: no TCP connection: none in time",
                "sha-256 5d41402a verified",
            ])
    }

    @Test func summaryOfAResumedTransferCountsOnlyWhatMoved() {
        let summary = Summary(
            name: "x", byteCount: 3 << 20, resumedByteCount: 1 << 20, duration: .seconds(2), checksum: "sha-256 00")
        #expect(
            summary.lines == [
                "x: 3.0 MiB in 2.0 s (1.0 MiB were there before), 1.0 MiB/s (8.4 Mbit/s)",
                "sha-256 00 not verified: the other client cannot do that",
            ])
    }

    @Test func summaryOfNothingHasNoRate() {
        #expect(Summary(name: "x", byteCount: 0, duration: .zero).lines == ["x: 0 B in 0.00 s"])
    }
}
