import Jingle
import TestSupport
import Testing

/// The frames between the two ends of a stream: Wire/Stream-Continuation.md.
@Suite struct StreamFrameTests {
    private static let acknowledgement = StreamFrame.acknowledgement(
        StreamAcknowledgement(received: 0x0102_0304_0506_0708, limit: .max))
    private static let sound: [([UInt8], StreamFrameParser.Event)] = [
        ([0, 0, 0, 0, 3, 7, 8, 9], .data(byteCount: 3)),
        ([1, 1, 2, 3, 4, 5, 6, 7, 8] + Array(repeating: 0xFF, count: 8), .frame(acknowledgement)),
        ([2], .frame(.end)),
    ]

    @Test func framesAreWritten() {
        #expect(Self.acknowledgement.bytes == Self.sound[1].0)
        #expect(StreamFrame.end.bytes == [2])
        var header = [UInt8](repeating: 0xAA, count: 6)
        header.withUnsafeMutableBytes { StreamFrame.writeDataHeader(byteCount: 262_139, to: $0) }
        #expect(header == [0, 0, 3, 0xFF, 0xFB, 0xAA])
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func framesAreRead(pieces: Int) throws {
        let all = (0..<3).flatMap { _ in Self.sound }
        var data = 0
        var frames: [StreamFrame] = []
        for event in try events(of: all.flatMap(\.0), pieces: pieces) {
            switch event {
            case .data(let byteCount): data += byteCount
            case .frame(let frame): frames.append(frame)
            }
        }
        #expect(data == 9)
        #expect(frames == [Self.acknowledgement, .end, Self.acknowledgement, .end, Self.acknowledgement, .end])
    }

    @Test(
        arguments: [
            [3], [255, 0, 0, 0, 1],
            // Data of nothing, or of more than a frame holds.
            [0, 0, 0, 0, 0], [0, 0, 0x10, 0, 1], [0, 0xFF, 0xFF, 0xFF, 0xFF],
            // After a sound frame.
            [2, 9], [0, 0, 0, 0, 1, 5, 77],
        ] as [[UInt8]])
    func whatIsNoFrameIsRefused(bytes: [UInt8]) {
        #expect(throws: StreamFrameError.self) { try events(of: bytes, pieces: 100) }
        #expect(throws: StreamFrameError.self) { try events(of: bytes, pieces: 1) }
    }

    @Test(arguments: [[0], [0, 0, 0, 0], [0, 0, 0, 0, 2, 1], [1], [1] + Array(repeating: 0, count: 15)] as [[UInt8]])
    func partsOfFramesAreWaitedFor(bytes: [UInt8]) throws {
        var parser = StreamFrameParser()
        try bytes.withUnsafeBytes { all in
            var rest = UnsafeRawBufferPointer(all)
            while try parser.next(&rest) != nil {}
        }
        #expect(!parser.isBetweenFrames)
    }

    /// Whatever comes: it is read, or it is an error.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func anythingMayCome(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            var bytes = (0..<Int.random(in: 1...4, using: &random)).flatMap { _ in
                Self.sound.randomElement(using: &random)?.0 ?? []
            }
            bytes.damage(using: &random)
            // In pieces or at once, it is the same.
            let whole = try? events(of: bytes, pieces: 1000)
            let pieces = try? events(of: bytes, pieces: Int.random(in: 1...9, using: &random))
            #expect(whole.map { byteCount($0) } == pieces.map { byteCount($0) })
        }
    }

    private func byteCount(_ events: [StreamFrameParser.Event]) -> Int {
        events.reduce(0) { if case .data(let byteCount) = $1 { $0 + byteCount } else { $0 } }
    }

    private func events(of bytes: [UInt8], pieces: Int) throws -> [StreamFrameParser.Event] {
        var parser = StreamFrameParser()
        var events: [StreamFrameParser.Event] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
            try piece.withUnsafeBytes { all in
                var left = UnsafeRawBufferPointer(all)
                while let event = try parser.next(&left) { events.append(event) }
            }
        }
        return events
    }
}
