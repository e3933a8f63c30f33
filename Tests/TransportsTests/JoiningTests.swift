import CLinux
import Foundation
import Glibc
import Jingle
import NIOPosix
import TestConnections
import Testing

@testable import Transports

/// Two programs with sockets, joined over a stream between two hosts. As over TCP, what one of them has written before it
/// closes its socket arrives, whatever the other does meanwhile.
@Suite(.timeLimit(.minutes(10)))
struct JoiningTests {
    private let pool = BlockPool(blockByteCount: 64 << 10)

    enum Carrier: CaseIterable {
        case quic
        case http2
    }

    /// Both directions at once with close(2), while the other program sends what nobody will read before it reads.
    @Test(arguments: Carrier.allCases)
    func closingRightAfterTheLastWriteLosesNothing(carrier: Carrier) async throws {
        // As much as is in this host's kernel when the program closes: TCP loses the rest.
        let content = numbered(50_000, salt: 1)
        let received = try await join(over: carrier) { near, far in
            try await onThread {
                try far.send([1])
                try near.receive(byteCount: 1)
                try near.send(content)
                near.close()
                try far.send([UInt8](repeating: 0, count: 1_000_000))
                return far.receiveAll()
            }
        }
        #expect(received == content)
    }

    /// Close(2) aborts a connection that has something unread: TCP delivers what came before that.
    @Test(arguments: Carrier.allCases)
    func abortingRightAfterTheLastWriteLosesNothing(carrier: Carrier) async throws {
        let received = try await join(over: carrier) { near, far in
            try await onThread {
                try far.send([1])
                try near.waitForInput()
                try near.send([2, 3, 4])
                near.close()
                return far.receiveAll()
            }
        }
        #expect(received == [2, 3, 4])
    }

    /// What takes no more may have more to give, after that.
    @Test func whatTakesNoMoreIsReadToItsEnd() async throws {
        let closed = ClosedSocket()
        let (stream, peer) = try await socketStreams()
        let block = pool.take()
        block.count = 1
        try await peer.write(block)
        async let received = peer.readAll()
        await #expect(throws: ByteStreamError.closed("broken pipe")) {
            _ = try await stream.join(closed, resettingWith: 0)
        }
        #expect(try await received == [1, 2, 3])
    }

    /// A program that sends for ever and reads nothing is told at last that nobody is there.
    @Test func whoeverReadsNothingIsNotWaitedForLong() async throws {
        _ = try await join(over: .quic, patience: .milliseconds(100)) { near, far in
            try await onThread {
                // More than fits between the two.
                try near.sendUntilFull()
                near.close()
                let block = [UInt8](repeating: 0, count: 100_000)
                #expect(throws: ProgramSocket.Failure.self) { while true { try far.send(block) } }
                far.close()
                return []
            }
        }
    }

    /// A program that is slow to read gets all that is flushed before the connection is aborted.
    @Test func whatIsFlushedIsNotLostByAReset() async throws {
        let listener = try await SocketListener.listen(at: .tcp(host: "127.0.0.1", port: 0), budget: BlockBudget())
        guard case .tcp(_, let port) = listener.address else { throw TestFailure() }
        let program = try ProgramSocket.connected(to: port)
        let stream = try await listener.accept().stream
        // More than fits into what the program's own kernel keeps for it.
        let content = numbered(24_000_000, salt: 4)
        async let received = onThread {
            try program.waitForInput()
            return program.receiveAll()
        }
        try await stream.writeAll(content, pool: pool)
        try await stream.flush()
        #expect(stream.unacknowledgedByteCount == 0)
        stream.reset(code: 1)
        #expect(try await received == content)
    }

    /// Joins the sockets of two programs over streams, lets the programs run, and returns what the body does.
    private func join(
        over carrier: Carrier, patience: Duration = .seconds(100),
        _ body: @escaping @Sendable (ProgramSocket, ProgramSocket) async throws -> [UInt8]
    ) async throws -> [UInt8] {
        let budget = BlockBudget()
        let listener = try await SocketListener.listen(at: .tcp(host: "127.0.0.1", port: 0), budget: budget)
        guard case .tcp(_, let port) = listener.address else { throw TestFailure() }
        let near = try ProgramSocket.connected(to: port)
        let nearLocal = try await listener.accept().stream
        let far = try ProgramSocket.connected(to: port)
        let farLocal = try await listener.accept().stream
        return try await withStreams(over: carrier) { nearStream, farStream in
            try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
                for (local, stream) in [(nearLocal, nearStream), (farLocal, farStream)] {
                    group.addTask {
                        _ = try? await stream.join(local, resettingWith: 3, patience: patience)
                        return nil
                    }
                }
                group.addTask { try await body(near, far) }
                var received: [UInt8] = []
                // All three: whatever the programs do, both sides end.
                for try await result in group { received = result ?? received }
                return received
            }
        }
    }

    private func withStreams(
        over carrier: Carrier, _ body: @Sendable (any ByteStream, any ByteStream) async throws -> [UInt8]
    ) async throws -> [UInt8] {
        switch carrier {
        case .quic:
            let pair = try await ChannelPair.connect()
            let stream = try await pair.client.openStream(contentName: "f")
            return try await body(stream, try await pair.server.acceptStream().stream)
        case .http2:
            let (near, far) = try await socketStreams()
            let client = try await MultiplexedConnection.over(StreamlessConnection(), stream: near, role: .client)
            let server = try await MultiplexedConnection.over(StreamlessConnection(), stream: far, role: .server)
            return try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                group.addTask { await client.run() }
                group.addTask { await server.run() }
                let stream = try await client.openStream(contentName: "f")
                return try await body(stream, try await server.acceptStream().stream)
            }
        }
    }
}

/// Takes nothing, and gives its last bytes once that is known.
private final class ClosedSocket: ByteStream {
    private let given = Handover<[UInt8]?>(limit: 4)
    private let pool = BlockPool(blockByteCount: 64)

    var unacknowledgedByteCount: Int { 0 }

    func read() async throws -> Block? {
        guard let bytes = try await given.next() else { return nil }
        let block = pool.take()
        block.storage.copyBytes(from: bytes)
        block.count = bytes.count
        return block
    }

    func write(_ block: Block) async throws {
        for bytes: [UInt8]? in [[1], [2, 3], nil] { given.put(bytes) }
        throw ByteStreamError.closed("broken pipe")
    }

    func flush() async throws {}
    func finish() async throws {}
    func reset(code: UInt64) {}
}

/// Calls on a thread of its own, as it waits.
private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}

/// The socket of a program, which waits in system calls.
private struct ProgramSocket: Sendable {
    struct Failure: Error {
        var code: CInt
    }

    let descriptor: CInt

    static func connected(to port: UInt16) throws -> ProgramSocket {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        name.sin_port = port.bigEndian
        let status = withUnsafeBytes(of: &name) { bytes in
            connect(
                descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        guard status == 0 else { throw Failure(code: errno) }
        // A test that fails is to end.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        return ProgramSocket(descriptor: descriptor)
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// Writes until nothing has been taken for a while.
    func sendUntilFull() throws {
        let bytes = [UInt8](repeating: 1, count: 100_000)
        var writable = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while poll(&writable, 1, 300) > 0 {
            guard Glibc.send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT)) > 0
            else { throw Failure(code: errno) }
        }
    }

    func waitForInput() throws {
        var readable = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&readable, 1, -1) == 1 else { throw Failure(code: errno) }
    }

    @discardableResult
    func receive(byteCount: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        guard recv(descriptor, &bytes, byteCount, CInt(MSG_WAITALL)) == byteCount else {
            throw Failure(code: errno)
        }
        return bytes
    }

    /// Everything until the end, or until the connection is found aborted; then closes.
    func receiveAll() -> [UInt8] {
        defer { close() }
        var all: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 100_000)
        while true {
            let count = recv(descriptor, &bytes, bytes.count, 0)
            guard count > 0 else { return all }
            all += bytes.prefix(count)
        }
    }

    func close() { Glibc.close(descriptor) }
}
