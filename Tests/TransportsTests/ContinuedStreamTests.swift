import Jingle
import Synchronization
import TestSupport
import Testing

@testable import Transports

/// A stream that goes on over another carrier: Wire/Stream-Continuation.md.
@Suite(.timeLimit(.minutes(10)))
struct ContinuedStreamTests {
    private let pool = BlockPool(blockByteCount: 16 << 10, keep: 64)

    /// Carriers break wherever they like, while both directions are under way, at their ends and after them: every byte comes
    /// once, and in order.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func everyByteComesOnce(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let window = Int.random(in: 1...40, using: &random) * 10_000
        let (alice, bob) = (ContinuedStream(window: window, pool: pool), ContinuedStream(window: window, pool: pool))
        let there = numbered(Int.random(in: 0...1_500_000, using: &random), salt: 1)
        let back = numbered(Int.random(in: 0...400_000, using: &random), salt: 2)
        let carrierCount = Int.random(in: 0...12, using: &random)
        let carriers = (0...carrierCount).map { number in
            BreakableStream.pair(
                breakingAfter: number == carrierCount ? nil : Int.random(in: 0...300_000, using: &random),
                SeededRandom(seed: seed &+ UInt64(number)))
        }
        let pieces = SeededRandom(seed: seed)
        async let aliceHas = use(alice, sending: there, pieces)
        async let bobHas = use(bob, sending: back, pieces)
        for (near, far) in carriers {
            async let one: Void? = try? alice.carry(over: near)
            async let other: Void? = try? bob.carry(over: far)
            // When both have come to their end, it is over; a carrier that breaks at that moment may leave one in doubt.
            if case (()?, ()?) = await (one, other) { break }
        }
        #expect(try await aliceHas == back)
        #expect(try await bobHas == there)
        #expect(alice.unacknowledgedByteCount == 0 && bob.unacknowledgedByteCount == 0)
        #expect(alice.arrivedByteCount == Int64(there.count + back.count))
    }

    /// Whoever reads nothing is sent no more than the window, and does not hold the other direction up.
    @Test func memoryIsBoundedAndDirectionsAreFree() async throws {
        let (alice, bob) = (ContinuedStream(window: 300_000, pool: pool), ContinuedStream(window: 300_000, pool: pool))
        let (near, far) = BreakableStream.pair(breakingAfter: nil, SeededRandom(seed: 1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await alice.carry(over: near) }
            group.addTask { try await bob.carry(over: far) }
            let written = Mutex(0)
            group.addTask {
                while true {
                    try await alice.write(block(numbered(1000, salt: 0), pool))
                    written.withLock { $0 += 1000 }
                }
            }
            async let sent: Void = {
                try await bob.writeAll(numbered(2_000_000, salt: 3), pool: pool)
                try await bob.finish()
            }()
            // All this while bob reads nothing.
            #expect(try await alice.readAll() == numbered(2_000_000, salt: 3))
            try await sent
            #expect(written.withLock { $0 } <= 600_000)
            group.cancelAll()
        }
    }

    /// Each piece comes in a block of the carrier's own, which is large: they are not all kept.
    @Test func smallPiecesDoNotKeepLargeBlocks() throws {
        let large = BlockPool(blockByteCount: 256 << 10, keep: 1)
        var receiving = ContinuedReceiving(
            window: ReceiveWindow(of: 1 << 20, within: WindowAllowance(byteCount: 0)), pool: pool)
        for _ in 0..<10_000 {
            let whole = large.take()
            whole.count = whole.capacity
            try receiving.take(whole.part(5..<7), isWaitedFor: false)
        }
        var blocks: [Block] = []
        while let block = receiving.read() { blocks.append(block) }
        #expect(blocks.reduce(0) { $0 + $1.count } == 20_000)
        #expect(blocks.count == 2)
    }

    @Test func aResetReachesTheOtherSide() async throws {
        let (alice, bob) = (ContinuedStream(window: 1000, pool: pool), ContinuedStream(window: 1000, pool: pool))
        let (near, far) = BreakableStream.pair(breakingAfter: nil, SeededRandom(seed: 1))
        let one = Task { try await alice.carry(over: near) }
        let other = Task { try await bob.carry(over: far) }
        alice.reset(code: 7)
        await #expect(throws: ByteStreamError.reset(code: 7)) { try await bob.read() }
        await #expect(throws: ByteStreamError.reset(code: 7)) { try await alice.write(block([1], pool)) }
        await #expect(throws: ByteStreamError.self) { try await one.value }
        await #expect(throws: ByteStreamError.self) { try await other.value }
    }

    /// Also when its end comes while the acknowledgement of its last bytes is still put off.
    @Test func nothingIsLeftOfIt() async throws {
        weak var remaining: ContinuedStream?
        do {
            let (alice, bob) = (ContinuedStream(window: 1000, pool: pool), ContinuedStream(window: 1000, pool: pool))
            remaining = bob
            let (near, far) = BreakableStream.pair(breakingAfter: nil, SeededRandom(seed: 1))
            async let one: Void = alice.carry(over: near)
            async let other: Void = bob.carry(over: far)
            try await alice.write(block([1], pool))
            async let aliceIsDone: Void = alice.finish()
            async let bobIsDone: Void = bob.finish()
            #expect(try await bob.readAll() == [1])
            #expect(try await alice.readAll() == [])
            _ = try await (one, other, aliceIsDone, bobIsDone)
        }
        #expect(remaining == nil)
    }

    /// Without a carrier it waits, until somebody gives it up.
    @Test func waitingCanBeCancelled() async throws {
        let stream = ContinuedStream(window: 1000, pool: pool)
        try await stream.write(block(numbered(1000, salt: 1), pool))
        let tasks = [
            Task { _ = try await stream.read() }, Task { try await stream.write(block([1], pool)) },
        ]
        for task in tasks { task.cancel() }
        for task in tasks { await #expect(throws: CancellationError.self) { try await task.value } }
    }

    /// The peer's word, although the carrier has not brought it.
    @Test func theEndCanBeConfirmed() async throws {
        let stream = ContinuedStream(window: 1000, pool: pool)
        try await stream.write(block([1, 2, 3], pool))
        async let finished: Void = stream.finish()
        // Nobody can have what was not sent.
        stream.confirm()
        #expect(stream.unacknowledgedByteCount == 3)
        let (lost, lostFar) = BreakableStream.pair(breakingAfter: nil, SeededRandom(seed: 1))
        let interrupted = Task { try await stream.carry(over: lost) }
        // The acknowledgement, the data and the end.
        try await lostFar.readBytes(17 + 8 + 1)
        interrupted.cancel()
        _ = await interrupted.result
        stream.confirm()
        #expect(stream.unacknowledgedByteCount == 0)
        try await finished
        // What the carrier brings later is old.
        let (near, far) = BreakableStream.pair(breakingAfter: nil, SeededRandom(seed: 1))
        let carried = Task { try await stream.carry(over: near) }
        for received: UInt8 in [0, 2, 4] {
            try await far.write(block([1, 0, 0, 0, 0, 0, 0, 0, received, 0, 0, 0, 0, 0, 0, 0, 9], pool))
        }
        try await far.write(block([2], pool))
        try await far.finish()
        try await carried.value
    }

    /// What a peer must not send; the stream is over then, whatever carrier might come.
    @Test(
        arguments: [
            // More than was sent, here three bytes without an end.
            [1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0],
            // Less than before.
            [1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9],
            // Data after the end, and an end after the end.
            [2, 0, 0, 0, 0, 1, 9], [2, 2], [9],
        ] as [[UInt8]])
    func nonsenseEndsIt(bytes: [UInt8]) async throws {
        let stream = ContinuedStream(window: 1000, pool: pool)
        let (near, far) = BreakableStream.pair(breakingAfter: nil, SeededRandom(seed: 1))
        try await stream.write(block([1, 2, 3], pool))
        let carried = Task { try await stream.carry(over: near) }
        // The acknowledgement and the data are there.
        try await far.readBytes(17 + 8)
        try await far.write(block(bytes, pool))
        await #expect(throws: StreamFrameError.self) { try await carried.value }
        await #expect(throws: ByteStreamError.reset(code: 4)) { try await stream.write(block([1], pool)) }
    }

    /// After its first word over a carrier a peer has no more than came over it, whatever it had over another.
    @Test func anOldAcknowledgementIsNonsense() throws {
        var sending = ContinuedSending()
        for _ in 0..<3 { sending.write(block([1, 2, 3], pool)) }
        while case .data? = sending.next() {}
        sending.beginAnew()
        try sending.take(StreamAcknowledgement(received: 4, limit: 9))
        #expect(throws: StreamFrameError.self) {
            try sending.take(StreamAcknowledgement(received: 9, limit: 9))
        }
        guard case .data(let next) = sending.next() else { throw TestFailure() }
        #expect(Array(next.bytes) == [2, 3])
        try sending.take(StreamAcknowledgement(received: 6, limit: 9))
        #expect(sending.acknowledged == 6)
    }

    /// Of a window of 300 000 bytes, each side may have sent so many before the other has read any.
    @Test func moreThanTheWindowIsRefused() throws {
        var receiving = ContinuedReceiving(
            window: ReceiveWindow(of: 300_000, within: WindowAllowance(byteCount: 0)), pool: pool)
        #expect(receiving.acknowledgement() == StreamAcknowledgement(received: 0, limit: 300_000))
        for _ in 0..<30 { try receiving.take(block(numbered(10_000, salt: 0), pool), isWaitedFor: false) }
        #expect(throws: StreamFrameError.self) { try receiving.take(block([1], pool), isWaitedFor: false) }
    }

    private func use(_ stream: ContinuedStream, sending bytes: [UInt8], _ pieces: SeededRandom) async throws -> [UInt8]
    {
        async let sent: Void = {
            var (random, rest) = (pieces, bytes[...])
            while !rest.isEmpty {
                let count = min(Int.random(in: 1...pool.blockByteCount, using: &random), rest.count)
                try await stream.write(block(Array(rest.prefix(count)), pool))
                rest = rest.dropFirst(count)
            }
            try await stream.flush()
            try await stream.finish()
        }()
        let received = try await stream.readAll()
        try await sent
        return received
    }
}

extension ByteStream {
    /// Waits until so many bytes have come.
    fileprivate func readBytes(_ count: Int) async throws {
        var byteCount = 0
        while byteCount < count {
            guard let block = try await read() else { throw TestFailure() }
            byteCount += block.count
        }
    }
}

private func block(_ bytes: [UInt8], _ pool: BlockPool) -> Block {
    let block = pool.take()
    block.storage.copyBytes(from: bytes)
    block.count = bytes.count
    return block
}
