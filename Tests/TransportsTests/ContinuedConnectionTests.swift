import Jingle
import Synchronization
import TestSupport
import Testing

@testable import Transports

/// Streams that go on over another connection: Wire/Stream-Continuation.md § Many streams.
@Suite(.timeLimit(.minutes(2)))
struct ContinuedConnectionTests {
    private let pool = BlockPool(blockByteCount: 16 << 10, keep: 64)

    /// Connections break wherever they like, while both sides open streams, between them and at their ends: every byte of each
    /// stream comes once, and in order, and in the end nothing of them is left.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func everyByteOfEveryStreamComesOnce(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let (alice, bob) = (connection(.initiator), connection(.responder))
        let streamCount = Int.random(in: 1...12, using: &random)
        let breaks = (0..<Int.random(in: 0...10, using: &random)).map { _ in
            Int.random(in: 0...120_000, using: &random)
        }
        let exchanged = Mutex<Int64>(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            for side in [alice, bob] {
                group.addTask { try await answerAll(of: side) }
            }
            group.addTask {
                for (number, limit) in breaks.enumerated() {
                    await carry(alice, bob, breakingAfter: limit, seed: seed &+ UInt64(number))
                }
                await carry(alice, bob, breakingAfter: nil, seed: seed)
            }
            try await withThrowingTaskGroup(of: Int64.self) { users in
                for (index, side) in [alice, bob].enumerated() {
                    for number in 0..<streamCount {
                        let salt = seed &* 100 &+ UInt64(2 * number + index)
                        users.addTask { try await ask(side, SeededRandom(seed: salt)) }
                    }
                }
                for try await byteCount in users { exchanged.withLock { $0 += byteCount } }
            }
            try await alice.settle()
            try await bob.settle()
        }
        #expect(alice.arrivedByteCount == exchanged.withLock { $0 })
        #expect(bob.arrivedByteCount == exchanged.withLock { $0 })
    }

    /// Without a connection streams can be opened, used and aborted, and the peer learns it over the next one.
    @Test func whatHappensInBetweenIsLearntLater() async throws {
        let (alice, bob) = (connection(.initiator), connection(.responder))
        let kept = try await alice.openStream(contentName: "f")
        let aborted = try await alice.openStream(contentName: "f")
        for stream in [kept, aborted] { try await stream.writeAll([1], pool: pool) }
        var accepted: [any ByteStream] = []
        try await whileCarried(alice, bob) {
            for _ in 0..<2 {
                let stream = try await bob.acceptStream().stream
                #expect(try await stream.read()?.count == 1)
                accepted.append(stream)
                try await stream.writeAll([2], pool: pool)
            }
            for stream in [kept, aborted] { _ = try await stream.read() }
        }
        aborted.reset(code: 9)
        let late = try await bob.openStream(contentName: "late")
        try await late.writeAll([3], pool: pool)
        try await whileCarried(alice, bob) {
            #expect(try await alice.acceptStream().contentName == "f")
            try await kept.writeAll([4], pool: pool)
            var endings: [ByteStreamError?] = []
            for stream in accepted {
                do throws {
                    endings.append(try await stream.read() == nil ? .closed("") : nil)
                } catch let error as ByteStreamError {
                    endings.append(error)
                }
            }
            #expect(endings.contains(nil))
            #expect(endings.contains { $0.map { if case .reset = $0 { true } else { false } } ?? false })
        }
    }

    /// A stream of an earlier connection that its opener does not list is over; those that are listed go on.
    @Test func whatIsNotListedIsOver() async throws {
        let bob = connection(.responder)
        var accepted: [any ByteStream] = []
        do {
            let (near, far) = BreakableConnection.pair(breakingAfter: nil, seed: 1)
            let carried = Task { try await bob.carry(over: far, contentName: "f") }
            for number: UInt64 in [1, 3] {
                let stream = try await near.openStream(contentName: "f")
                try await stream.writeAll(StreamAttachment.first(number).bytes, pool: pool)
                accepted.append(try await bob.acceptStream().stream)
            }
            carried.cancel()
            _ = await carried.result
        }
        let (near, far) = BreakableConnection.pair(breakingAfter: nil, seed: 1)
        let carried = Task { try await bob.carry(over: far, contentName: "f") }
        let list = try await near.openStream(contentName: "f")
        try await list.writeAll(StreamAttachment.list([3]).bytes, pool: pool)
        try await list.finish()
        await #expect(throws: ByteStreamError.reset(code: 1)) { _ = try await accepted[0].read() }
        let again = try await near.openStream(contentName: "f")
        try await again.writeAll(StreamAttachment.again(3).bytes + [0, 0, 0, 0, 1, 9], pool: pool)
        #expect(try await accepted[1].read()?.bytes.first == 9)
        carried.cancel()
        _ = await carried.result
    }

    /// A stream that the peer has given up while nothing carried it is over.
    @Test func whatThePeerGaveUpIsOver() async throws {
        let (alice, bob) = (connection(.initiator), connection(.responder))
        let asked = try await alice.openStream(contentName: "f")
        try await asked.writeAll([1], pool: pool)
        var answering: (any ByteStream)?
        try await whileCarried(alice, bob) {
            answering = try await bob.acceptStream().stream
            try await asked.flush()
        }
        answering?.reset(code: 7)
        try await whileCarried(alice, bob) {
            await #expect(throws: ByteStreamError.reset(code: 7)) { try await asked.read() }
        }
    }

    /// What a peer with a memory of its own says.
    @Test(
        arguments: [
            // A stream nobody knows; of ours; of number zero; of no kind; too many at once.
            ([1, 0, 0, 0, 0, 0, 0, 0, 7], 1), ([0, 0, 0, 0, 0, 0, 0, 0, 2], 4), ([0, 0, 0, 0, 0, 0, 0, 0, 0], 4),
            ([3, 0, 0, 0, 0, 0, 0, 0, 1], 4), ([2, 0, 0, 0, 0, 0, 0, 4, 1], 4),
        ] as [([UInt8], UInt64)])
    func nonsenseIsReset(bytes: [UInt8], code: UInt64) async throws {
        let bob = connection(.responder)
        let (near, far) = BreakableConnection.pair(breakingAfter: nil, seed: 1)
        let carried = Task { try await bob.carry(over: far, contentName: "f") }
        let stream = try await near.openStream(contentName: "f")
        try await stream.writeAll(bytes, pool: pool)
        await #expect(throws: ByteStreamError.reset(code: code)) { while try await stream.read() != nil {} }
        carried.cancel()
        _ = await carried.result
    }

    /// A stream is carried once at a time, and the first carrier is none the worse for the second.
    @Test func secondCarrierIsRefused() async throws {
        let bob = connection(.responder)
        let (near, far) = BreakableConnection.pair(breakingAfter: nil, seed: 1)
        let carried = Task { try await bob.carry(over: far, contentName: "f") }
        let first = try await near.openStream(contentName: "f")
        try await first.writeAll(StreamAttachment.first(1).bytes, pool: pool)
        let accepted = try await bob.acceptStream().stream
        let second = try await near.openStream(contentName: "f")
        try await second.writeAll(StreamAttachment.again(1).bytes, pool: pool)
        await #expect(throws: ByteStreamError.reset(code: 4)) { while try await second.read() != nil {} }
        try await first.writeAll([0, 0, 0, 0, 1, 9], pool: pool)
        #expect(try await accepted.read()?.bytes.first == 9)
        carried.cancel()
        _ = await carried.result
    }

    /// What has come can be read after the end; then everything says why.
    @Test func theEndIsTheEnd() async throws {
        let (alice, bob) = (connection(.initiator), connection(.responder))
        let stream = try await alice.openStream(contentName: "f")
        try await stream.writeAll([1], pool: pool)
        var accepted: (any ByteStream)?
        try await whileCarried(alice, bob) {
            accepted = try await bob.acceptStream().stream
            try await stream.flush()
        }
        for side in [alice, bob] { side.finish(throwing: .closed("over")) }
        #expect(try await accepted?.read()?.count == 1)
        await #expect(throws: ByteStreamError.closed("over")) { _ = try await accepted?.read() }
        await #expect(throws: ByteStreamError.closed("over")) { _ = try await stream.read() }
        await #expect(throws: ByteStreamError.closed("over")) { _ = try await alice.openStream(contentName: "f") }
        await #expect(throws: ByteStreamError.closed("over")) { _ = try await bob.acceptStream() }
    }

    // MARK: -

    private func connection(_ side: ContinuedConnection.Side) -> ContinuedConnection {
        ContinuedConnection(side, pool: pool)
    }

    private func carry(
        _ alice: ContinuedConnection, _ bob: ContinuedConnection, breakingAfter limit: Int?, seed: UInt64
    ) async {
        let (near, far) = BreakableConnection.pair(breakingAfter: limit, seed: seed)
        async let one: Void? = try? alice.carry(over: near, contentName: "f")
        async let other: Void? = try? bob.carry(over: far, contentName: "f")
        _ = await (one, other)
    }

    private func whileCarried(
        _ alice: ContinuedConnection, _ bob: ContinuedConnection, _ body: () async throws -> Void
    ) async throws {
        let carried = Task { await carry(alice, bob, breakingAfter: nil, seed: 1) }
        try await body()
        carried.cancel()
        await carried.value
    }

    /// Sends, and compares what comes back with what is to come. Returns how many bytes went both ways.
    private func ask(_ side: ContinuedConnection, _ seeded: SeededRandom) async throws -> Int64 {
        var random = seeded
        let content = (0..<Int.random(in: 0...60_000, using: &random)).map { _ in
            UInt8.random(in: 0...255, using: &random)
        }
        let stream = try await side.openStream(contentName: "f")
        var rest = content[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...pool.blockByteCount, using: &random))
            try await stream.writeAll(Array(piece), pool: pool)
            rest = rest.dropFirst(piece.count)
        }
        async let finished: Void = stream.finish()
        #expect(try await stream.readAll() == Array(content.reversed() + content))
        try await finished
        return Int64(3 * content.count)
    }

    private func answerAll(of side: ContinuedConnection) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            while true {
                let stream = try await side.acceptStream().stream
                group.addTask {
                    let content = try await stream.readAll()
                    try await stream.writeAll(Array(content.reversed() + content), pool: pool)
                    try await stream.finish()
                }
            }
        }
    }
}
