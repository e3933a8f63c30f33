import ICE
import Testing

@testable import Transports

@Suite struct RelayedDataTests {
    private static func bytes(_ text: String) -> [UInt8] {
        let digits = Array(text.filter { $0 != " " })
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0..<$0 + 2]), radix: 16) }
    }

    private static func content(_ message: [UInt8]) -> [UInt8]? {
        message.withUnsafeBytes { RelayedData.content(of: $0).map { [UInt8]($0) } }
    }

    private static let transaction = "2112a442 000102030405060708090a0b"
    private static let peer = "0012 0008 0001 1234 c0000201"

    @Test(arguments: [
        ("ChannelData", "4000 0003 aabbcc"),
        ("with padding, as over TCP", "4fff 0003 aabbcc 00"),
        ("a Data indication", "0017 0014 \(transaction) \(peer) 0013 0003 aabbcc 00"),
        ("IPv6", "0017 0020 \(transaction) 0012 0014 0002 1234 20010db8000000000000000000000001 0013 0003 aabbcc 00"),
        ("data first", "0017 0014 \(transaction) 0013 0003 aabbcc 00 \(peer)"),
        ("unknown attributes", "0017 001c \(transaction) 8022 0001 41000000 \(peer) 0013 0003 aabbcc 00"),
        ("the first data of two", "0017 0010 \(transaction) 0013 0003 aabbcc 00 0013 0001 dd000000"),
        ("no peer", "0017 0008 \(transaction) 0013 0003 aabbcc 00"),
    ])
    func dataAreFound(_ name: String, _ message: String) {
        #expect(Self.content(Self.bytes(message)) == [0xAA, 0xBB, 0xCC], "\(name)")
    }

    @Test(arguments: [
        ("nothing", ""),
        ("one byte", "40"),
        ("a channel without a length", "4000 00"),
        ("no data in a channel", "4000 0000"),
        ("no data in a channel, padded", "4000 0000 00000000"),
        ("more data than bytes", "4000 0004 aabbcc"),
        ("the largest length", "4000 ffff aabbcc"),
        ("more bytes than padding", "4000 0003 aabbcc 00000000"),
        ("a channel that there is not", "5000 0003 aabbcc"),
        ("QUIC", "c000 0001 aabbcc"),
        ("neither", "8000 0003 aabbcc"),
        ("a header cut short", "0017 0000 2112a442 000102030405060708090a"),
        ("no attributes", "0017 0000 \(transaction)"),
        ("another cookie", "0017 0008 2112a443 000102030405060708090a0b 0013 0003 aabbcc 00"),
        ("a Send indication", "0016 0008 \(transaction) 0013 0003 aabbcc 00"),
        ("a Binding request", "0001 0008 \(transaction) 0013 0003 aabbcc 00"),
        ("a Refresh response", "0104 0008 \(transaction) 0013 0003 aabbcc 00"),
        ("a length below the bytes", "0017 0004 \(transaction) 0013 0003 aabbcc 00"),
        ("a length beyond the bytes", "0017 000c \(transaction) 0013 0003 aabbcc 00"),
        ("no data", "0017 000c \(transaction) \(peer)"),
        ("empty data", "0017 0004 \(transaction) 0013 0000"),
        ("data beyond the message", "0017 0008 \(transaction) 0013 0005 aabbcc 00"),
        ("an attribute beyond the message", "0017 0010 \(transaction) 8022 ffff 41000000 0013 0003 aabbcc 00"),
        ("an attribute's padding beyond the message", "0017 0005 \(transaction) 8022 0001 41"),
        ("half an attribute", "0017 0002 \(transaction) 0013"),
    ])
    func otherMessagesAreNot(_ name: String, _ message: String) {
        #expect(Self.content(Self.bytes(message)) == nil, "\(name)")
    }

    /// Every byte replaced by every other, left out, doubled, and every end cut off: no trap, and nothing but bytes of the
    /// message.
    @Test(arguments: [
        "4000 0003 aabbcc 00",
        "0017 001c \(transaction) 8022 0001 41000000 \(peer) 0013 0003 aabbcc 00",
    ])
    func brokenMessagesDoNoHarm(_ text: String) {
        let message = Self.bytes(text)
        for place in message.indices {
            var broken = [Array(message[..<place]), message, message]
            broken[1].remove(at: place)
            broken[2].insert(message[place], at: place)
            for byte in UInt8.min...UInt8.max {
                broken.append(message)
                broken[broken.count - 1][place] = byte
            }
            for bytes in broken { bytes.withUnsafeBytes(expectContentWithin) }
        }
    }

    private func expectContentWithin(_ message: UnsafeRawBufferPointer) {
        guard let found = RelayedData.content(of: message), let foundStart = found.baseAddress,
            let start = message.baseAddress
        else { return }
        #expect(found.count > 0 && foundStart >= start && foundStart + found.count <= start + message.count)
    }

    @Test(arguments: [
        ("192.0.2.1", 3, "0016 0014 \(transaction) 0012 0008 0001 6ccf e112a643 0013 0003"),
        (
            "2001:db8::1", 4,
            "0016 0020 \(transaction) 0012 0014 0002 6ccf 0113a9fa 0001020304050607 08090a0a 0013 0004"
        ),
    ])
    func headersAreThoseOfTheStandard(_ ip: String, _ byteCount: Int, _ expected: String) throws {
        let peer = try #require(ICEAddress(ip: ip, port: 0x4DDD))
        let indication = SendIndication(peer: peer, transaction: (0x0001_0203_0405_0607, 0x0809_0A0B))
        var header = [UInt8](repeating: 0xEE, count: indication.headerByteCount)
        header.withUnsafeMutableBytes { indication.writeHeader(for: byteCount, to: $0) }
        #expect(header == Self.bytes(expected))
        #expect(indication.messageByteCount(for: byteCount) == header.count + 4)
    }
}
