import Foundation
import Synchronization
import Testing
import Transports

@testable import FileTransfer

/// The copying between a program, which has the far end of a socket here, and a peer.
@Suite(.timeLimit(.minutes(10)))
struct StreamCopyTests {
    private final class Notices: Sendable {
        private let state = Mutex<[StreamCopy.Notice]>([])
        var all: [StreamCopy.Notice] { state.withLock { $0 } }
        func add(_ notice: StreamCopy.Notice) { state.withLock { $0.append(notice) } }
    }

    private func with(
        _ flow: StreamFlow = .both,
        _ body:
            @Sendable (
                _ program: OwnedDescriptor, _ far: MemoryStream, _ notices: Notices,
                _ stop: AsyncStream<Void>.Continuation, _ run: @escaping @Sendable () async throws -> (UInt64, UInt64)
            ) async throws -> Void
    ) async throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let (near, far) = MemoryStream.pair()
        let end = try StreamEnd(.socket(OwnedDescriptor(ends[0]), name: "the program"), flow)
        let notices = Notices()
        let copy = StreamCopy(stream: near, end: end, flow: flow) { notices.add($0) }
        let (stopping, stop) = AsyncStream.makeStream(of: Void.self)
        try await body(OwnedDescriptor(ends[1]), far, notices, stop) {
            let counts = try await copy.run(stopping: stopping)
            return (counts.sent, counts.received)
        }
    }

    @Test func directionsEndOnTheirOwn() async throws {
        try await with { program, far, notices, _, run in
            let result = Task { try await run() }
            let there = someBytes(700_001)
            let back = someBytes(300_002, seed: 2)
            // The program ends its direction first, and gets all of the other one after that.
            async let written: Void = program.send(there, thenEnd: true)
            #expect(try await far.readAll() == there)
            try await written
            try await far.write(back)
            try await far.finish()
            #expect(try await program.receiveAll() == back)
            #expect(try await result.value == (700_001, 300_002))
            #expect(notices.all == [.delivered(byteCount: 300_002)])
        }
        try await with { program, far, notices, _, run in
            let result = Task { try await run() }
            // The other way round.
            try await far.write([1, 2, 3])
            try await far.finish()
            #expect(try await program.receiveAll() == [1, 2, 3])
            let there = someBytes(500_000)
            async let written: Void = program.send(there, thenEnd: true)
            #expect(try await far.readAll() == there)
            try await written
            #expect(try await result.value == (500_000, 3))
        }
    }

    /// What the program says goes nowhere, and does not end it; the peer is told nothing.
    @Test func nothingIsSentBack() async throws {
        try await with(.incoming) { program, far, notices, _, run in
            let result = Task { try await run() }
            try await program.send(someBytes(700_000), thenEnd: false)
            try await far.write(someBytes(300_000))
            try await far.finish()
            #expect(try await program.receiveAll() == someBytes(300_000))
            try await program.send([1], thenEnd: true)
            #expect(try await result.value == (0, 300_000))
            #expect(notices.all == [])
        }
    }

    /// The other direction is over before it has begun.
    @Test func nothingComesBack() async throws {
        try await with(.outgoing) { program, far, notices, _, run in
            let result = Task { try await run() }
            try await program.send(someBytes(300_000), thenEnd: true)
            #expect(try await far.readAll() == someBytes(300_000))
            #expect(try await result.value == (300_000, 0))
            #expect(notices.all == [])
        }
    }

    /// A peer that takes nothing holds the program back, in however small pieces that writes.
    @Test func memoryIsBounded() async throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let (program, near) = (OwnedDescriptor(ends[1]), OwnedDescriptor(ends[0]))
        let input = try DescriptorInput(
            near, name: "the program", allowance: BlockAllowance(blockCount: 3, blockByteCount: 1000))
        var blocks: [Block] = []
        // As many blocks as are permitted are kept by somebody; until one comes back, nothing more is read.
        for _ in 0..<3 {
            try await program.send([7], thenEnd: false)
            blocks.append(try #require(try await input.next()))
        }
        #expect(blocks.map(\.count) == [1, 1, 1])
        for _ in 0..<10 { try await program.send([8], thenEnd: false) }
        try await program.send([], thenEnd: true)
        blocks.removeFirst()
        // What was written meanwhile comes as one.
        #expect(try await input.next()?.count == 10)
        #expect(try await input.next()?.count == nil)
    }

    /// Nobody reads any more: the peer is told, and the other direction goes on.
    @Test func programTakesNoMore() async throws {
        try await with { program, far, notices, _, run in
            let result = Task { try await run() }
            shutdown(program.raw, Int32(SHUT_RD))
            try await far.write(someBytes(2_000_000))
            try await far.finish()
            async let written: Void = program.send([5], thenEnd: true)
            #expect(try await far.readAll() == [5])
            try await written
            await #expect(throws: LocalFileError.self) { _ = try await result.value }
            #expect(notices.all == [.stopped])
        }
    }

    /// The peer takes no more: our direction ends, though the program would go on.
    @Test func peerTakesNoMore() async throws {
        try await with { program, far, notices, stop, run in
            let result = Task { try await run() }
            try await program.send([1], thenEnd: false)
            #expect(try await far.read()?.count == 1)
            stop.yield()
            #expect(try await far.readAll() == [])
            try await far.write([9])
            try await far.finish()
            #expect(try await program.receiveAll() == [9])
            #expect(try await result.value == (1, 1))
        }
    }

    @Test func brokenStreamIsNoEnd() async throws {
        try await with { _, far, notices, _, run in
            let result = Task { try await run() }
            try await far.write([1])
            far.reset(code: 1)
            await #expect(throws: ByteStreamError.self) { _ = try await result.value }
            #expect(notices.all == [])
        }
    }

    @Test(
        arguments: [
            ("localhost:22", .tcp(host: "localhost", port: 22)), ("[::1]:8080", .tcp(host: "::1", port: 8080)),
            ("unix:/run/a socket", .unix(path: "/run/a socket")), ("localhost", nil), ("localhost:", nil), (":22", nil),
            ("localhost:0", nil), ("localhost:65536", nil), ("localhost:-1", nil), ("::1:22", nil), ("[]:22", nil),
            ("unix:", nil), ("unix:" + String(repeating: "a", count: 108), nil), ("", nil),
        ] as [(String, StreamTarget?)])
    func targetsAreRead(address: String, target: StreamTarget?) {
        #expect(StreamTarget(address: address) == target)
    }
}

extension OwnedDescriptor {
    /// Writes as a program does, on a thread that may wait.
    fileprivate func send(_ bytes: [UInt8], thenEnd ends: Bool) async throws {
        try await WorkerThread.run { () throws(LocalFileError) in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(self.raw, $0.baseAddress, $0.count) }
                guard count > 0 else { break }
                rest = rest.dropFirst(count)
            }
            if ends { shutdown(self.raw, Int32(SHUT_WR)) }
        }
    }

    fileprivate func receiveAll() async throws -> [UInt8] {
        try await WorkerThread.run { () throws(LocalFileError) in
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            while case let count = Glibc.read(self.raw, &buffer, buffer.count), count > 0 { all += buffer[..<count] }
            return all
        }
    }
}

/// One end of a stream in memory.
private final class MemoryStream: ByteStream {
    private final class Direction: Sendable {
        let blocks = AsyncStream.makeStream(of: Block.self)
        let error = Mutex<ByteStreamError?>(nil)
    }

    private let incoming: Direction
    private let outgoing: Direction
    private let pool = BlockPool(blockByteCount: 100_000, keep: 4)

    private init(_ incoming: Direction, _ outgoing: Direction) {
        self.incoming = incoming
        self.outgoing = outgoing
    }

    static func pair() -> (MemoryStream, MemoryStream) {
        let (one, other) = (Direction(), Direction())
        return (MemoryStream(one, other), MemoryStream(other, one))
    }

    var unacknowledgedByteCount: Int { 0 }

    func read() async throws -> Block? {
        let block = await incoming.blocks.stream.first { _ in true }
        if block == nil, let error = incoming.error.withLock({ $0 }) { throw error }
        return block
    }

    func write(_ block: Block) async throws { outgoing.blocks.continuation.yield(block) }
    func flush() async throws {}
    func finish() async throws { outgoing.blocks.continuation.finish() }

    func reset(code: UInt64) {
        for direction in [incoming, outgoing] {
            direction.error.withLock { $0 = .reset(code: code) }
            direction.blocks.continuation.finish()
        }
    }

    func write(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let block = pool.take()
            block.count = min(rest.count, block.capacity)
            block.storage.copyBytes(from: rest.prefix(block.count))
            rest = rest.dropFirst(block.count)
            try await write(block)
        }
    }

    func readAll() async throws -> [UInt8] {
        var all: [UInt8] = []
        while let block = try await read() { all += block.bytes }
        return all
    }
}
