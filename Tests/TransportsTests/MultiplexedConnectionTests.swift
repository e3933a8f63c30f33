import Synchronization
import TestConnections
import TestSupport
import Testing

@testable import Transports

/// Many streams in one: two ends on the two ends of a pair of sockets.
@Suite(.timeLimit(.minutes(10)))
struct MultiplexedConnectionTests {
    private let pool = BlockPool(blockByteCount: 64 << 10)

    @Test(arguments: [true, false])
    func streamsGoBothWaysAndEndOnTheirOwn(clientOpens: Bool) async throws {
        try await with { client, server in
            let (opener, other) = clientOpens ? (client, server) : (server, client)
            let stream = try await opener.openStream(contentName: "forward")
            let (name, answer) = try await other.acceptStream()
            #expect(name == "forward")
            let there = numbered(3_000_001, salt: 1)
            let back = numbered(2_000_003, salt: 2)
            async let sent: Void = send(there, on: stream)
            #expect(try await answer.readAll() == there)
            try await sent
            // Our direction has ended, the other has not.
            async let answered: Void = send(back, on: answer)
            #expect(try await stream.readAll() == back)
            try await answered
        }
    }

    @Test(arguments: [true, false], [0 as UInt64, 3, 0xFFFF])
    func resetsKeepTheirCode(clientOpens: Bool, code: UInt64) async throws {
        try await with { client, server in
            let (opener, other) = clientOpens ? (client, server) : (server, client)
            let stream = try await opener.openStream(contentName: "f")
            let (_, answer) = try await other.acceptStream()
            try await stream.writeAll([1], pool: pool)
            #expect(try await answer.read().map { Array($0.bytes) } == [1])
            answer.reset(code: code)
            await #expect(throws: ByteStreamError.reset(code: code)) { _ = try await stream.read() }
            await #expect(throws: ByteStreamError.reset(code: code)) {
                while true { try await stream.writeAll([1], pool: pool) }
            }
            // The others do not notice.
            let next = try await opener.openStream(contentName: "g")
            #expect(try await other.acceptStream().contentName == "g")
            next.reset(code: 1)
        }
    }

    /// As many streams as there may be, most of them with a reader that never reads: what is not read stays bounded, and
    /// the one that is read gets everything.
    @Test(arguments: [true, false])
    func stalledStreamsHoldNoOtherBack(clientOpens: Bool) async throws {
        try await with { client, server in
            let (opener, other) = clientOpens ? (client, server) : (server, client)
            let written = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                for _ in 0..<24 {
                    let stalled = try await opener.openStream(contentName: "stalled")
                    group.addTask {
                        let block = self.pool.take()
                        block.count = block.capacity
                        while true {
                            try await stalled.write(block)
                            written.add(block.count)
                        }
                    }
                }
                var held: [any ByteStream] = []
                for _ in 0..<24 { held.append(try await other.acceptStream().stream) }
                let content = numbered(4 << 20, salt: 3)
                let stream = try await opener.openStream(contentName: "quick")
                group.addTask { try await send(content, on: stream) }
                let (name, answer) = try await other.acceptStream()
                #expect(name == "quick")
                #expect(try await answer.readAll() == content)
                // What the peer may send, what it has buffered, and what is between.
                let window = MultiplexedStreamHandler.windowByteCount
                #expect(written.value <= 24 * (3 * window))
                for stream in held { stream.reset(code: 0) }
            }
        }
    }

    /// By which the windows of what goes on above it grow.
    @Test func roundTripIsKnown() async throws {
        try await with { client, server in
            for connection in [client, server] {
                while connection.statistics.roundTripTime == nil { try await Task.sleep(for: .milliseconds(1)) }
            }
        }
    }

    @Test func closingDeliversWhatWasFinished() async throws {
        try await with { client, server in
            let content = numbered(400_000, salt: 4)
            let stream = try await client.openStream(contentName: "f")
            async let accepted = server.acceptStream()
            try await send(content, on: stream)
            await client.close()
            #expect(try await accepted.stream.readAll() == content)
            try await server.waitUntilClosed()
            await #expect(throws: ByteStreamError.self) { _ = try await server.acceptStream() }
            await #expect(throws: ByteStreamError.self) { _ = try await client.openStream(contentName: "g") }
        }
    }

    @Test func waitingForAStreamCanBeCancelled() async throws {
        try await with { client, server in
            let waiting = Task { try await client.acceptStream() }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { _ = try await waiting.value }
            _ = try await server.openStream(contentName: "f")
            #expect(try await client.acceptStream().contentName == "f")
        }
    }

    /// Below there may be a proxy that lives on when the peer is gone.
    @Test func silentPeerIsNoticed() async throws {
        let (near, far) = try await socketStreams()
        let connection = try await MultiplexedConnection.over(
            StreamlessConnection(), stream: near, role: .client, pingInterval: .milliseconds(50))
        let run = Task { await connection.run() }
        try await connection.waitUntilClosed()
        await run.value
        _ = far
    }

    /// Whatever the peer sends instead of HTTP/2 ends the connection, and no more.
    @Test(arguments: [MultiplexedConnection.Role.client, .server], 0..<40)
    func garbageEndsTheConnection(role: MultiplexedConnection.Role, seed: UInt64) async throws {
        let (near, far) = try await socketStreams()
        let connection = try await MultiplexedConnection.over(StreamlessConnection(), stream: near, role: role)
        let run = Task { await connection.run() }
        var random = SeededRandom(seed: seed)
        var bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        if seed % 4 == 0 || role == .client { bytes = [] }
        // SETTINGS, so that it gets further.
        if seed % 2 == 0 { bytes += [0, 0, 0, 4, 0, 0, 0, 0, 0] }
        for _ in 0..<Int.random(in: 1...400, using: &random) {
            let count = Int.random(in: 0...60, using: &random)
            let frame = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let kind = UInt8.random(in: 0...10, using: &random)
            let flags = UInt8.random(in: 0...255, using: &random) & 0x2D
            bytes += [0, 0, UInt8(count), kind, flags, 0, 0, 0, UInt8.random(in: 0...9, using: &random)] + frame
        }
        let sending = bytes
        async let drained = far.readAll()
        // It fails when the connection was given up before all was sent.
        try? await send(sending, on: far)
        try await connection.waitUntilClosed()
        await connection.close()
        await run.value
        _ = try? await drained
    }

    // MARK: - Two ends

    private func with(
        _ body: @Sendable (MultiplexedConnection, MultiplexedConnection) async throws -> Void
    ) async throws {
        let (near, far) = try await socketStreams()
        let client = try await MultiplexedConnection.over(StreamlessConnection(), stream: near, role: .client)
        let server = try await MultiplexedConnection.over(StreamlessConnection(), stream: far, role: .server)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { await client.run() }
            group.addTask { await server.run() }
            try await body(client, server)
            await client.close()
            await server.close()
        }
    }

    private func send(_ bytes: [UInt8], on stream: any ByteStream) async throws {
        try await stream.writeAll(bytes, pool: pool)
        try await stream.finish()
    }
}
