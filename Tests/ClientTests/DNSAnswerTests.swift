import TestSupport
import Testing

@testable import Client

@Suite struct DNSAnswerTests {
    /// An answer to `_xmpp-client._tcp.a.org` with these records, names compressed.
    static func answer(_ records: [[UInt8]], flags: [UInt8] = [0x81, 0x80]) -> [UInt8] {
        var bytes: [UInt8] = [0x12, 0x34] + flags + [0, 1, 0, UInt8(records.count), 0, 0, 0, 0]
        bytes += name("_xmpp-client._tcp.a.org") + [0, 33, 0, 1]
        for record in records { bytes += [0xC0, 12] + record }
        return bytes
    }

    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    static func service(_ data: [UInt8], type: UInt8 = 33, declared: Int? = nil) -> [UInt8] {
        let count = declared ?? data.count
        return [0, type, 0, 1, 0, 0, 0, 60, UInt8(count >> 8), UInt8(count & 255)] + data
    }

    static let valid = answer([
        service([0, 10, 0, 20, 0x14, 0x66] + name("Host.example")),
        service(name("alias.example"), type: 5),
        service([0, 1, 0, 2, 0, 80] + [4] + Array("chat".utf8) + [0xC0, 12 + 13 + 5]),
        service([0, 0, 0, 0, 0, 0, 0]),
    ])

    @Test func readsServiceRecords() throws {
        #expect(
            try DNSAnswer(Self.valid).records == [
                ServiceRecord(priority: 10, weight: 20, port: 5222, target: "host.example"),
                ServiceRecord(priority: 1, weight: 2, port: 80, target: "chat.a.org"),
                ServiceRecord(priority: 0, weight: 0, port: 0, target: ""),
            ])
    }

    @Test func aMissingNameHasNoRecords() throws {
        #expect(try DNSAnswer(Self.answer([], flags: [0x81, 0x83])).records.isEmpty)
    }

    @Test func targetsThatAreNoHostNamesAreLeftOut() throws {
        let record = Self.service([0, 10, 0, 20, 0x14, 0x66] + Self.name("a\u{1b}[31m.org"))
        #expect(try DNSAnswer(Self.answer([record])).records.isEmpty)
    }

    @Test func atMost32RecordsAreRead() throws {
        let record = Self.service([0, 10, 0, 20, 0x14, 0x66] + Self.name("a.org"))
        #expect(try DNSAnswer(Self.answer(Array(repeating: record, count: 200))).records.count == 32)
    }

    static let bad: [(String, [UInt8], DNSAnswerError)] = [
        ("empty", [], .malformed),
        ("half a header", Array(valid.prefix(7)), .malformed),
        ("a question", answer([], flags: [0x01, 0]), .notAnAnswer),
        ("server failure", answer([], flags: [0x81, 0x82]), .refused(code: 2)),
        (
            "more records announced", Array(valid.prefix(12) + valid.dropFirst(12).prefix(40)), .malformed
        ),
        ("data longer than the message", answer([service([0, 1], declared: 60000)]), .malformed),
        ("data too short for a record", answer([service([0, 10, 0])]), .malformed),
        (
            "name past its data", answer([service([0, 1, 0, 2, 0, 3, 1, 97, 0], declared: 7)]), .malformed
        ),
        ("bytes after the name", answer([service([0, 1, 0, 2, 0, 3, 1, 97, 0, 0])]), .malformed),
        ("pointer to itself", answer([service([0, 1, 0, 2, 0, 3, 0xC0, 59])]), .malformed),
        ("pointer forwards", answer([service([0, 1, 0, 2, 0, 3, 0xC0, 0xFF])]), .malformed),
        ("half a pointer", answer([service([0, 1, 0, 2, 0, 3, 0xC0])]), .malformed),
        ("reserved label type", answer([service([0, 1, 0, 2, 0, 3, 0x80, 1, 0])]), .malformed),
        (
            "name too long",
            answer([
                service(
                    [0, 1, 0, 2, 0, 3] + name(Array(repeating: "aaaaaaaaa", count: 30).joined(separator: "."))
                )
            ]),
            .malformed
        ),
    ]

    @Test(arguments: bad) func refuses(what: String, bytes: [UInt8], error: DNSAnswerError) {
        #expect(throws: error, "\(what)") { try DNSAnswer(bytes) }
    }

    @Test func mutatedAnswersNeverTrap() {
        var random = SeededRandom(seed: 3)
        var refusedCount = 0
        for _ in 0..<20000 {
            var bytes = Self.valid
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            if Bool.random(using: &random) {
                bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
            }
            do { #expect(try DNSAnswer(bytes).records.count <= 32) } catch { refusedCount += 1 }
        }
        #expect((1..<20000).contains(refusedCount))
    }
}
