import CLinux
import Glibc
import NIOCore
import NIOPosix
import SecureChannels
import Testing

@testable import Transports

/// TCP connections made of channels that are there already; real sockets on loopback, and a foreign peer's plain socket.
@Suite struct TCPConnectionTests {
    let pool = BlockPool()

    @Test func plainStreamIsTheBytesAsTheyAre() async throws {
        let (connection, peer) = try await connectToForeignPeer()
        let stream = try await connection.openStream(contentName: "a-file")
        let content = numbered(3 << 20, salt: 1)
        async let arrived = peer.readAll()
        try await stream.writeAll(content, pool: pool)
        try await stream.finish()
        #expect(stream.unacknowledgedByteCount == 0)
        #expect(await arrived == content)
        // Our direction has ended, the peer's has not.
        peer.send([1, 2, 3])
        peer.close()
        #expect(try await stream.readAll() == [1, 2, 3])
        try await connection.waitUntilClosed()
        #expect(connection.path.kind == .socks5(isProxied: true))
        #expect(!connection.path.isEndToEndEncrypted)
    }

    @Test func plainStreamBelongsToTheContentOfTheSetup() async throws {
        let (connection, peer) = try await connectToForeignPeer()
        let (name, stream) = try await connection.acceptStream()
        #expect(name == "a-file")
        peer.send([0xC0, 0xFF])
        peer.close()
        #expect(try await stream.readAll() == [0xC0, 0xFF])
        try await stream.finish()
    }

    /// Foreign clients know the size, and close or even reset the connection as soon as they have the file.
    @Test(arguments: [false, true])
    func peerThatLeavesOnceItHasAllIsNoError(resets: Bool) async throws {
        let (connection, peer) = try await connectToForeignPeer()
        let stream = try await connection.openStream(contentName: "a-file")
        let content = numbered(3 << 20, salt: 2)
        async let arrived = peer.read(content.count)
        try await stream.writeAll(content, pool: pool)
        #expect(await arrived == content)
        while stream.unacknowledgedByteCount > 0 { try await Task.sleep(for: .milliseconds(1)) }
        if resets { peer.reset() } else { peer.close() }
        try await connection.waitUntilClosed()
        try await stream.finish()
    }

    @Test func peerThatLeavesBeforeItHasAllIsAnError() async throws {
        let (connection, peer) = try await connectToForeignPeer()
        let stream = try await connection.openStream(contentName: "a-file")
        try await stream.writeAll(numbered(3 << 20, salt: 3), pool: pool)
        _ = await peer.read(1000)
        peer.reset()
        await #expect(throws: ByteStreamError.self) {
            while true { try await stream.writeAll([1], pool: pool) }
        }
        await #expect(throws: ByteStreamError.self) { try await stream.finish() }
    }

    /// What the peer had sent is read to the end, though the reader is late and part of it is still in the kernel.
    @Test(arguments: [false, true])
    func nothingIsLostWhenThePeerLeaves(resets: Bool) async throws {
        let (connection, peer) = try await connectToForeignPeer()
        let (_, stream) = try await connection.acceptStream()
        let content = numbered((4 << 20) + 600_000, salt: 4)
        peer.send(content)
        // A reset throws away what the peer's own kernel still has to send.
        while peer.unsentByteCount > 0 { try await Task.sleep(for: .milliseconds(1)) }
        if resets { peer.reset() } else { peer.close() }
        if resets { try await connection.waitUntilClosed() }
        var received: [UInt8] = []
        while received.count < content.count, let block = try await stream.read() { received += block.bytes }
        #expect(received == content)
        if resets {
            await #expect(throws: ByteStreamError.self) { try await stream.read() }
        } else {
            #expect(try await stream.read() == nil)
        }
    }

    /// As after a SOCKS5 handshake: the channel is in use, another handler reads first, and passes on what it had too much.
    @Test func takesOverFromAnotherHandler() async throws {
        let listener = Listener()
        let promise = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: TCPConnection.self)
        let setup = setup(.none(contentName: "a-file"))
        let channel = try await listener.connect { channel in
            let greeted = GreetingHandler {
                TCPStreamHandler(setup) { promise.completeWith($0) }
            }
            return channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(greeted)
            }
        }
        let peer = try listener.accept()
        peer.send(Array("hello!rest".utf8))
        let connection = try await promise.futureResult.get()
        let (_, stream) = try await connection.acceptStream()
        let first = try #require(try await stream.read())
        #expect(String(decoding: first.bytes, as: UTF8.self) == "rest")
        peer.send([7])
        peer.close()
        #expect(try await stream.readAll() == [7])
        try await stream.finish()
        _ = channel
    }

    @Test func encryptsOverAnActiveChannelThatDoesNotReadByItself() async throws {
        let ends = try await pair(isEncrypted: true)
        let content = numbered(2 << 20, salt: 5)
        let stream = try await ends.client.openStream(contentName: "pipe")
        async let sent: Void = stream.writeAll(content, pool: pool)
        let (name, answer) = try await ends.server.acceptStream()
        try await sent
        async let finished: Void = stream.finish()
        #expect(name == "pipe")
        #expect(try await answer.readAll() == content)
        try await finished
        #expect(ends.client.path.isEndToEndEncrypted)
        #expect(ends.client.path.kind == .socks5(isProxied: false))
    }

    /// As bytes, and in TLS.
    @Test(arguments: [false, true]) func keepsToTheLimit(isEncrypted: Bool) async throws {
        let ends = try await pair(isEncrypted: isEncrypted)
        let stream = try await ends.client.openStream(contentName: "a-file")
        let answer = try await ends.server.acceptStream().stream
        try await expectLimit(on: stream, to: answer) { await ends.client.limitSending(to: $0) }
        try await stream.finish()
    }

    @Test func channelThatIsClosedGivesNoConnection() async throws {
        let listener = Listener()
        let channel = try await listener.connect()
        let peer = try listener.accept()
        let certificate = try DeviceCertificate.generate()
        let protection = TCPSetup.Protection.tls(
            role: .client, certificate: certificate, peerFingerprint: certificate.fingerprint)
        async let failure = error { _ = try await connection(over: channel, setup(protection)) }
        peer.close()
        #expect(await failure != nil)
    }

    /// A path that dies without a word: both sides' sockets drop every packet from then on.
    @Test(arguments: [false, true])
    func silentDeathOfThePathIsNoticedOnBothSides(isEncrypted: Bool) async throws {
        let ends = try await pair(isEncrypted: isEncrypted, silenceLimit: .seconds(2))
        let stream = try await ends.client.openStream(contentName: "pipe")
        try await stream.writeAll([1], pool: pool)
        let (_, answer) = try await ends.server.acceptStream()
        _ = try await answer.read()
        try await dropEverything(ends.channels)
        async let written = error { while true { try await stream.writeAll(numbered(1 << 20, salt: 6), pool: pool) } }
        async let read = error { while try await answer.read() != nil {} }
        for error in await [written, read] {
            guard case ByteStreamError.pathLost? = error else {
                Issue.record("not pathLost: \(String(describing: error))")
                continue
            }
        }
        await #expect(throws: ByteStreamError.self) { try await stream.finish() }
        try await ends.client.waitUntilClosed()
        try await ends.server.waitUntilClosed()
    }

    /// What the kernel has taken has not arrived.
    @Test func bytesInTheKernelAreNotAcknowledged() async throws {
        let ends = try await pair(isEncrypted: false)
        let stream = try await ends.client.openStream(contentName: "pipe")
        try await dropEverything(ends.channels)
        try await stream.writeAll(numbered(10_000, salt: 7), pool: pool)
        // After this the kernel has them.
        try await ends.channels[0].eventLoop.submit {}.get()
        #expect(stream.unacknowledgedByteCount == 10_000)
    }

    // MARK: Ends

    private func setup(
        _ protection: TCPSetup.Protection, isProxied: Bool = false, silenceLimit: Duration = .seconds(600)
    ) -> TCPSetup {
        TCPSetup(
            protection: protection, kind: .socks5(isProxied: isProxied), pool: pool, handshakeLimit: .seconds(600),
            silenceLimit: silenceLimit)
    }

    private func connectToForeignPeer() async throws -> (TCPConnection, ForeignPeer) {
        let listener = Listener()
        let channel = try await listener.connect()
        let setup = setup(.none(contentName: "a-file"), isProxied: true)
        return (try await connection(over: channel, setup), try listener.accept())
    }

    private func pair(
        isEncrypted: Bool, silenceLimit: Duration = .seconds(600)
    ) async throws -> (client: TCPConnection, server: TCPConnection, channels: [any Channel]) {
        let (one, other) = (try DeviceCertificate.generate(), try DeviceCertificate.generate())
        let listener = Listener()
        let group = MultiThreadedEventLoopGroup.singleton
        let dialled = try await listener.connect()
        let accepted = try await ClientBootstrap(group: group).channelOption(.autoRead, value: false)
            .withConnectedSocket(try listener.accept().descriptor).get()
        let plain = TCPSetup.Protection.none(contentName: "pipe")
        async let client = connection(
            over: dialled,
            setup(
                isEncrypted ? .tls(role: .client, certificate: one, peerFingerprint: other.fingerprint) : plain,
                silenceLimit: silenceLimit))
        async let server = connection(
            over: accepted,
            setup(
                isEncrypted ? .tls(role: .server, certificate: other, peerFingerprint: one.fingerprint) : plain,
                silenceLimit: silenceLimit))
        return (try await client, try await server, [dialled, accepted])
    }

    private func connection(over channel: any Channel, _ setup: TCPSetup) async throws -> TCPConnection {
        let promise = channel.eventLoop.makePromise(of: TCPConnection.self)
        channel.eventLoop.execute {
            do {
                try channel.pipeline.syncOperations.addHandler(TCPStreamHandler(setup) { promise.completeWith($0) })
            } catch {
                promise.fail(error)
            }
        }
        return try await promise.futureResult.get()
    }

    private func error(_ body: () async throws -> Void) async -> (any Error)? {
        do {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    /// Lets the sockets of the channels drop every packet that comes.
    private func dropEverything(_ channels: [any Channel]) async throws {
        var descriptors: [CInt] = []
        for channel in channels {
            descriptors +=
                try await channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                        $0
                    }
                }.get().map { [$0] } ?? []
        }
        // At once: whoever hears nothing any more must not say so to the other.
        for descriptor in descriptors {
            // struct sock_filter: BPF_RET | BPF_K with 0; struct sock_fprog around it.
            var filter: (code: UInt16, whenTrue: UInt8, whenFalse: UInt8, value: UInt32) = (6, 0, 0, 0)
            let result = withUnsafePointer(to: &filter) { filter in
                var program = (count: UInt16(1), filter: filter)
                return setsockopt(
                    descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout.size(ofValue: program)))
            }
            #expect(result == 0)
        }
        #expect(descriptors.count == channels.count)
    }
}

/// Reads a greeting of six bytes, and leaves the channel to another handler.
private final class GreetingHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let makeNext: () -> TCPStreamHandler
    private var greeting = ByteBuffer()

    init(makeNext: @escaping () -> TCPStreamHandler) { self.makeNext = makeNext }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        greeting.writeImmutableBuffer(unwrapInboundIn(data))
        guard greeting.readString(length: 6) != nil else { return }
        do { try context.pipeline.syncOperations.addHandler(makeNext()) } catch { context.close(promise: nil) }
        context.fireChannelRead(NIOAny(greeting))
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}

/// A listening socket on loopback.
private final class Listener: Sendable {
    private let descriptor: CInt
    private let port: Int

    init() {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                #expect(bind(descriptor, $0, byteCount) == 0)
                #expect(listen(descriptor, 8) == 0)
                #expect(getsockname(descriptor, $0, &byteCount) == 0)
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }

    func connect(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void> = {
            $0.eventLoop.makeSucceededVoidFuture()
        }
    ) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer(initializer).connect(host: "127.0.0.1", port: port).get()
    }

    func accept() throws -> ForeignPeer {
        let descriptor = Glibc.accept(self.descriptor, nil, nil)
        try #require(descriptor >= 0)
        return ForeignPeer(descriptor: descriptor)
    }
}

/// A peer that is nothing but a blocking socket.
private struct ForeignPeer: Sendable {
    let descriptor: CInt

    @concurrent func readAll() async -> [UInt8] { await read(.max) }

    @concurrent func read(_ byteCount: Int) async -> [UInt8] {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while received.count < byteCount {
            let count = Glibc.read(descriptor, &buffer, min(buffer.count, byteCount - received.count))
            guard count > 0 else { break }
            received += buffer[..<count]
        }
        return received
    }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// What this side's kernel has to send, or to send again.
    var unsentByteCount: Int {
        var count: CInt = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : 0
    }

    func close() { _ = Glibc.close(descriptor) }

    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        close()
    }
}
