import Jingle
import TestSupport
import Testing
import XML

/// Measurements as an application: Wire/Jingle-Bench.md.
@Suite struct BenchTests {
    private static let phase = BenchPhase(
        .down, streamCount: 4, warmUpMilliseconds: 1500, durationMilliseconds: 10_000, byteLimit: 1 << 20)
    private static let account: BenchAccount = {
        var account = BenchAccount()
        account.processorMicroseconds = 12
        account.lostPacketCount = 3
        account.mostRoundTrip = 0
        return account
    }()
    static let frames: [BenchFrame] = [
        .ping(0), .pong(.max), .start(phase), .report(BenchArrival(microseconds: 1, byteCount: .max)), .stop, .end,
        .result(account), .result(BenchAccount()),
    ]

    /// All that a stream brings, in pieces of that size, with runs of filling joined.
    private func events(of bytes: [UInt8], pieces: Int) throws -> [BenchFrameParser.Event] {
        var parser = BenchFrameParser()
        var events: [BenchFrameParser.Event] = []
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            try bytes[start..<min(bytes.count, start + pieces)].withUnsafeBytes { piece in
                var rest = piece
                while let event = try parser.next(&rest) {
                    if case .data(let more) = event, case .data(let count)? = events.last {
                        events[events.count - 1] = .data(byteCount: count + more)
                    } else {
                        events.append(event)
                    }
                }
                #expect(rest.isEmpty)
            }
        }
        #expect(parser.isBetweenFrames)
        return events
    }

    @Test func descriptionGoesOverTheWire() throws {
        let written = try ContentDescription.bench.element.overTheWire()
        #expect(written == XMLElement("description", namespace: "urn:sleigh:jingle:apps:bench:0"))
        #expect(try ContentDescription(written) == .bench)
    }

    @Test(arguments: [1, 2, 3, 5, 7, 64, 100_000])
    func framesGoOverTheWireInPieces(size: Int) throws {
        let filling = BenchFrame.dataHeader(byteCount: 1000) + Array(repeating: 7, count: 1000)
        let bytes = Self.frames.flatMap(\.bytes) + filling + filling + BenchFrame.end.bytes
        let events = try events(of: bytes, pieces: size)
        #expect(events == Self.frames.map { .frame($0) } + [.data(byteCount: 2000), .frame(.end)])
    }

    /// The bytes as Wire/Jingle-Bench.md describes them.
    @Test func bytesAreAsDocumented() {
        #expect(BenchFrame.ping(0x0102_0304_0506_0708).bytes == [1, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(BenchFrame.stop.bytes == [5, 0, 0, 0, 0])
        #expect(BenchFrame.dataHeader(byteCount: 262_139) == [0, 0, 3, 0xFF, 0xFB])
        let start: [UInt8] =
            [3, 0, 0, 0, 19, 1, 0, 4, 0, 0, 0x05, 0xDC, 0, 0, 0x27, 0x10] + [0, 0, 0, 0, 0, 0x10, 0, 0]
        #expect(BenchFrame.start(Self.phase).bytes == start)
        #expect(BenchFrame.result(BenchAccount()).bytes == [7, 0, 0, 0, 64] + Array(repeating: 0xFF, count: 64))
    }

    /// Later versions may say more in a frame.
    @Test func whatFollowsTheKnownFieldsIsIgnored() throws {
        #expect(
            try events(of: [1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 99], pieces: 100) == [.frame(.ping(5))])
    }

    @Test func limitsOfAPhaseAreKept() {
        let phase = BenchPhase(
            .up, streamCount: .max, warmUpMilliseconds: .max, durationMilliseconds: 0, byteLimit: 0)
        #expect(phase.streamCount == BenchPhase.streamCountLimit)
        #expect(phase.warmUpMilliseconds == BenchPhase.warmUpLimit)
        #expect(phase.durationMilliseconds == 1 && phase.byteLimit == 1)
    }

    static let wrong: [(bytes: [UInt8], error: BenchSyntaxError)] = [
        ([8, 0, 0, 0, 0], .unknownType(8)), ([255, 0, 0, 0, 8], .unknownType(255)),
        // Filling of nothing, or of more than a frame holds.
        ([0, 0, 0, 0, 0], .wrongLength(type: 0)), ([0, 0, 0x10, 0, 1], .wrongLength(type: 0)),
        ([0, 0xFF, 0xFF, 0xFF, 0xFF], .wrongLength(type: 0)),
        // Too short, and longer than anything is.
        ([1, 0, 0, 0, 7], .wrongLength(type: 1)), ([4, 0, 0, 0, 15], .wrongLength(type: 4)),
        ([3, 0, 0, 0, 18], .wrongLength(type: 3)), ([7, 0, 0, 0, 63], .wrongLength(type: 7)),
        ([5, 0, 0, 4, 1], .wrongLength(type: 5)), ([6, 0xFF, 0xFF, 0xFF, 0xFF], .wrongLength(type: 6)),
        // START: a third direction, 65 streams, a warm-up of 10 001 ms, no time, 600 001 ms, no bytes, 2^40 + 1.
        (start(direction: 2), .invalid("direction")), (start(streams: [0, 65]), .invalid("streams")),
        (start(warmUp: [0, 0, 0x27, 0x11]), .invalid("warm-up")),
        (start(duration: [0, 0, 0, 0]), .invalid("duration")),
        (start(duration: [0, 9, 0x27, 0xC1]), .invalid("duration")),
        (start(bytes: [0, 0, 0, 0, 0, 0, 0, 0]), .invalid("bytes")),
        (start(bytes: [0, 0, 1, 0, 0, 0, 0, 1]), .invalid("bytes")),
    ]

    private static func start(
        direction: UInt8 = 0, streams: [UInt8] = [0, 1], warmUp: [UInt8] = [0, 0, 0, 1],
        duration: [UInt8] = [0, 0, 0, 1], bytes: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 1]
    ) -> [UInt8] {
        [3, 0, 0, 0, 19, direction] + streams + warmUp + duration + bytes
    }

    @Test(arguments: wrong.indices)
    func wrongFramesAreRefused(index: Int) {
        let (bytes, error) = Self.wrong[index]
        #expect(throws: error) { try events(of: bytes, pieces: 100) }
        #expect(throws: error) { try events(of: bytes, pieces: 1) }
    }

    /// Whatever comes: it is read, or it is an error, and no more is kept than a small frame.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func anythingMayCome(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let sound = Self.frames.map(\.bytes)
        for _ in 0..<2000 {
            var bytes = (0..<Int.random(in: 1...4, using: &random)).flatMap { _ in
                sound.randomElement(using: &random) ?? []
            }
            bytes.damage(using: &random)
            var parser = BenchFrameParser()
            bytes.withUnsafeBytes { all in
                var rest = UnsafeRawBufferPointer(all)
                do throws(BenchSyntaxError) {
                    while let event = try parser.next(&rest) {
                        if case .frame(.start(let phase)) = event {
                            #expect(phase.byteLimit <= BenchPhase.byteCountLimit && phase.length < .seconds(620))
                        }
                    }
                    #expect(rest.isEmpty)
                } catch {}
            }
        }
    }
}
