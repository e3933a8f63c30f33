import Jingle
import TestSupport
import Testing

/// Wire/Stream-Continuation.md § Many streams.
@Suite struct StreamAttachmentTests {
    private static let sound: [StreamAttachment] = [
        .first(1), .again(.max), .list([]), .list([2, 4, 1 << 40]),
        .list((0..<UInt64(StreamAttachment.listLimit)).map { 2 * $0 + 1 }),
    ]

    @Test(arguments: sound)
    func comesInAnyPieces(_ attachment: StreamAttachment) throws {
        for pieceByteCount in [1, 3, 9, 100_000] {
            var parser = StreamAttachmentParser()
            var result: StreamAttachment?
            var rest = attachment.bytes[...]
            while !rest.isEmpty, result == nil {
                result = try parser.feed(Array(rest.prefix(pieceByteCount)))
                rest = rest.dropFirst(pieceByteCount)
            }
            #expect(result == attachment && rest.isEmpty)
        }
    }

    @Test func whatFollowsIsLeft() throws {
        var parser = StreamAttachmentParser()
        let (attachment, left) = try (StreamAttachment.first(3).bytes + [7, 8]).withUnsafeBytes { bytes in
            var rest = bytes
            return (try parser.next(&rest), Array(rest))
        }
        #expect(attachment == .first(3) && left == [7, 8])
    }

    @Test(
        arguments: [
            [3], [255], [2, 0, 0, 0, 0, 0, 0, 4, 1], [2, 255, 255, 255, 255, 255, 255, 255, 255],
        ] as [[UInt8]])
    func nonsense(bytes: [UInt8]) {
        var parser = StreamAttachmentParser()
        #expect(throws: StreamFrameError.self) { try parser.feed(bytes) }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func anythingMayCome(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var bytes = Self.sound[Int.random(in: 0..<4, using: &random)].bytes
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...3, using: &random)
        }
        var parser = StreamAttachmentParser()
        for _ in 0..<10 {
            guard let result = try? parser.feed(bytes) else { continue }
            if case .list(let numbers) = result { #expect(numbers.count <= StreamAttachment.listLimit) }
            return
        }
    }
}

extension StreamAttachmentParser {
    fileprivate mutating func feed(_ bytes: [UInt8]) throws -> StreamAttachment? {
        try bytes.withUnsafeBytes { bytes in
            var rest = bytes
            return try next(&rest)
        }
    }
}
