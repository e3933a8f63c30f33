import ArgumentParser
import Jingle
import Testing

@testable import sleigh

/// What a user may write after `--limit`.
@Suite struct RateLimitArgumentTests {
    @Test(
        arguments: [
            ("1000", 1000), ("20000000", 20_000_000), ("1k", 1000), ("500K", 500_000), ("20M", 20_000_000),
            ("20m", 20_000_000), ("2G", 2_000_000_000), ("1T", 1_000_000_000_000), ("1.5M", 1_500_000),
            ("0.0015M", 1500), ("500Ki", 512_000), ("20Mi", 20_971_520), ("1.5mi", 1_572_864), ("1Gi", 1_073_741_824),
            ("20MB", 20_000_000), ("20MiB", 20_971_520), ("2000B", 2000), ("20M/s", 20_000_000), ("20MB/s", 20_000_000),
            ("160Mbit", 20_000_000), ("160mbit/s", 20_000_000), ("1Gbit", 125_000_000), ("8000bit", 1000),
            ("100Mibit", 13_107_200), ("160MBit", 20_000_000), ("8001bit", 1000), ("8Tbit", 1_000_000_000_000),
        ] as [(String, UInt64)])
    func ratesAreUnderstood(text: String, bytesPerSecond: UInt64) throws {
        #expect(try RateLimit.reading(text).bytesPerSecond == bytesPerSecond)
    }

    /// Each with a word of what is said about it.
    @Test(arguments: [
        ("0", "too little"), ("0M", "too little"), ("1", "too little"), ("999", "too little"), ("7k bit", "not a rate"),
        ("7kbit", "too little"), ("-1", "not a rate"), ("-20M", "not a rate"), ("+20M", "not a rate"),
        ("", "not a rate"), (" ", "not a rate"), ("M", "not a rate"), ("twenty", "not a rate"), ("20X", "not a rate"),
        ("20 M", "not a rate"), (" 20M", "not a rate"), ("20M ", "not a rate"), ("20MM", "not a rate"),
        ("20Mb", "bits or bytes"), ("20Mb/s", "bits or bytes"), ("20b", "bits or bytes"), ("20Mbps", "not a rate"),
        ("20,5M", "not a rate"), ("1.2.3M", "not a rate"), (".5M", "not a rate"), ("5.M", "not a rate"),
        ("1e6", "not a rate"), ("0x1000", "not a rate"), ("nan", "not a rate"), ("inf", "not a rate"),
        ("٢٠٠٠", "not a rate"), ("２０００", "not a rate"), ("1.1T", "too much"), ("2000G", "too much"),
        ("18446744073709551616", "too much"), ("99999999999999999999999999999999999999T", "too much"),
        (String(repeating: "9", count: 1000), "not a rate"), ("20M/h", "not a rate"), ("20M/s/s", "not a rate"),
        ("bit", "not a rate"), ("\u{1b}[2J", "not a rate"),
    ])
    func nonsenseIsRefused(text: String, why: String) {
        do {
            let limit = try RateLimit.reading(text)
            Issue.record("\(text) is \(limit)")
        } catch {
            let message = SendCommand.message(for: error)
            #expect(message.contains(why), "\(message)")
            #expect(!message.contains("\u{1b}"))
        }
    }

    @Test(arguments: [SendCommand.self, ReceiveCommand.self, PipeCommand.self] as [any ParsableCommand.Type])
    func commandsTakeIt(command: any ParsableCommand.Type) throws {
        let arguments = command == SendCommand.self ? ["file", "a@b"] : command == PipeCommand.self ? ["--listen"] : []
        #expect(throws: Never.self) { try command.parse(arguments + ["--limit", "20M"]) }
        #expect(throws: (any Error).self) { try command.parse(arguments + ["--limit", "0"]) }
        #expect(throws: (any Error).self) { try command.parse(arguments + ["--limit"]) }
    }
}
