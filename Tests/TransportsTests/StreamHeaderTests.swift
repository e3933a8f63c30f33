import Testing
import Transports

@Suite struct StreamHeaderTests {
    static func parse(_ bytes: [UInt8]) -> StreamHeaderParser.Outcome {
        var parser = StreamHeaderParser()
        return bytes.withUnsafeBytes { parser.consume($0) }
    }

    @Test(arguments: ["", "a", "file", String(repeating: "x", count: 63), String(repeating: "é", count: 512), "文件"])
    func readsWhatItWrites(name: String) throws {
        let header = try #require(StreamHeader.encode(contentName: name))
        #expect(Self.parse(header) == .name(name, byteCount: header.count))
        #expect(Self.parse(header + [1, 2, 3]) == .name(name, byteCount: header.count))
        var parser = StreamHeaderParser()
        for byte in header.dropLast() { #expect([byte].withUnsafeBytes { parser.consume($0) } == .incomplete) }
        #expect(header.suffix(1).withUnsafeBytes { parser.consume($0) } == .name(name, byteCount: 1))
    }

    /// RFC 9000 § A.1: the same number may be written longer than needed.
    @Test(arguments: [
        [0x01, 0x61], [0x40, 0x01, 0x61], [0x80, 0, 0, 1, 0x61], [0xC0, 0, 0, 0, 0, 0, 0, 1, 0x61] as [UInt8],
    ])
    func takesEveryLengthOfVarint(bytes: [UInt8]) { #expect(Self.parse(bytes) == .name("a", byteCount: bytes.count)) }

    @Test(arguments: [
        [0x44, 0x01], [0x7F, 0xFF], [0xBF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        [0x01, 0xFF], [0x02, 0xC3, 0x28], [0x03, 0xED, 0xA0, 0x80] as [UInt8],
    ])
    func refusesLongAndBrokenNames(bytes: [UInt8]) { #expect(Self.parse(bytes) == .malformed) }

    @Test(arguments: [[], [0x05], [0x40], [0x05, 0x61], [0x44, 0x00, 0x61] as [UInt8]])
    func waitsForTheRest(bytes: [UInt8]) { #expect(Self.parse(bytes) == .incomplete) }

    @Test func doesNotWriteLongNames() {
        #expect(StreamHeader.encode(contentName: String(repeating: "x", count: 1025)) == nil)
    }

    @Test func neverTraps() {
        var state: UInt64 = 42
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            for _ in 0..<Int(state >> 59) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(UInt8(truncatingIfNeeded: state >> 40))
            }
            if case .name(_, let byteCount) = Self.parse(bytes) { #expect(byteCount <= bytes.count) }
        }
    }
}
