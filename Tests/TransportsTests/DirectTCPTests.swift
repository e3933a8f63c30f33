import Glibc
import ICE
import Jingle
import NIOCore
import NIOPosix
import SecureChannels
import Testing

@testable import Transports

/// Real sockets on loopback, real event loops, the real clock.
@Suite struct DirectTCPTests {
    let pool = BlockPool()

    @Test(arguments: [true, false])
    func carries64MebibytesExactly(fromServer: Bool) async throws {
        let pair = try await TCPPair.connect()
        let content = numbered(64 << 20, salt: 1)
        let (sender, receiver) = fromServer ? (pair.server, pair.client) : (pair.client, pair.server)
        async let received = receiveOne(receiver)
        let stream = try await sender.openStream(contentName: "big")
        try await stream.writeAll(content, pool: pool)
        try await stream.finish()
        #expect(stream.unacknowledgedByteCount == 0)
        let (name, bytes) = try await received
        #expect(name == "big")
        #expect(bytes == content)
        #expect(sender.path.description == "direct tcp")
        #expect(sender.path.ipVersion == 4)
        await receiver.close()
        try await sender.waitUntilClosed()
    }

    @Test func carriesBothWaysAtOnce() async throws {
        let pair = try await TCPPair.connect()
        let (stream, answer) = try await pair.streams()
        let up = numbered(9_000_001, salt: 2)
        let down = numbered(7_000_003, salt: 3)
        async let receivedUp = answer.readAll()
        async let receivedDown = stream.readAll()
        async let sentDown: Void = send(down, on: answer)
        try await send(up, on: stream)
        try await sentDown
        #expect(try await receivedUp == up)
        #expect(try await receivedDown == down)
        // Both directions have ended, so the connection has.
        try await pair.client.waitUntilClosed()
        try await pair.server.waitUntilClosed()
    }

    @Test func oneDirectionEndsAloneAndTheOtherGoesOn() async throws {
        let pair = try await TCPPair.connect()
        let (stream, answer) = try await pair.streams()
        try await send([1, 2, 3], on: stream)
        #expect(try await answer.readAll() == [1, 2, 3])
        for round in UInt8(0)..<20 {
            try await answer.writeAll([round], pool: pool)
            #expect(try await stream.read().map { Array($0.bytes) } == [round])
        }
        try await answer.finish()
        #expect(try await stream.read() == nil)
    }

    /// A reader that does not read holds the writer back; what was written arrives all the same.
    @Test func slowReaderHoldsTheWriterBack() async throws {
        let pair = try await TCPPair.connect()
        let (stream, answer) = try await pair.streams()
        let content = numbered(40 << 20, salt: 4)
        async let sent: Void = send(content, on: stream)
        // The read is answered at once when nothing holds the bytes back; all of them fit nowhere on the way.
        var received = try #require(try await answer.read()).bytes.count
        #expect(stream.unacknowledgedByteCount <= 16 << 20)
        while let block = try await answer.read() {
            let isRight = content.withUnsafeBytes { content in
                let expected = UnsafeRawBufferPointer(rebasing: content[received..<received + block.count])
                guard let one = block.bytes.baseAddress, let other = expected.baseAddress else { return false }
                return memcmp(one, other, block.count) == 0
            }
            try #require(isRight)
            received += block.count
        }
        try await sent
        #expect(received == content.count)
    }

    @Test func resetEndsBothEnds() async throws {
        let pair = try await TCPPair.connect()
        let (stream, answer) = try await pair.streams()
        try await stream.writeAll([1], pool: pool)
        _ = try await answer.read()
        stream.reset(code: 1)
        await #expect(throws: ByteStreamError.self) { try await answer.read() }
        await #expect(throws: ByteStreamError.self) { try await stream.read() }
        await #expect(throws: ByteStreamError.self) {
            while true { try await answer.writeAll([1], pool: pool) }
        }
        await #expect(throws: ByteStreamError.self) { try await stream.finish() }
        try await pair.server.waitUntilClosed()
    }

    /// The peer's socket ends without `close_notify`, as when its process is killed.
    @Test func truncationIsAnError() async throws {
        let pair = try await TCPPair.connect()
        let (stream, answer) = try await pair.streams()
        try await stream.writeAll([1, 2, 3], pool: pool)
        var received = Array(try #require(try await answer.read()).bytes)
        pair.clientTransport.close()
        await #expect(throws: ByteStreamError.self) {
            while let block = try await answer.read() { received += block.bytes }
        }
        #expect(received == [1, 2, 3])
        await #expect(throws: ByteStreamError.self) { try await stream.read() }
    }

    @Test func cancelledReadLeavesTheStreamUsable() async throws {
        let pair = try await TCPPair.connect()
        let (stream, answer) = try await pair.streams()
        let reading = Task { try await answer.read() }
        reading.cancel()
        await #expect(throws: CancellationError.self) { try await reading.value }
        try await send([7], on: stream)
        #expect(try await answer.readAll() == [7])
    }

    @Test func malformedHeaderIsRefused() async throws {
        let pair = try await TCPPair.connect()
        // What is accepted first is the peer's header; what follows is read as one here.
        let (stream, _) = try await pair.streams()
        try await stream.writeAll([0xC0, 0, 0, 0, 0, 0, 0xFF, 0xFF], pool: pool)
        await #expect(throws: ByteStreamError.self) { try await pair.server.acceptStream() }
        await #expect(throws: ByteStreamError.self) { try await stream.read() }
        await #expect(throws: ByteStreamError.self) {
            try await pair.client.openStream(contentName: String(repeating: "x", count: 1025))
        }
    }

    // MARK: Strangers

    /// Whoever has another certificate gets a failed handshake, and the peer still gets in.
    @Test(arguments: [TLSPeerEngine.Role.client, .server])
    func strangerIsNotLetIn(role: TLSPeerEngine.Role) async throws {
        let (ours, theirs) = (try DeviceCertificate.generate(), try DeviceCertificate.generate())
        let listening = TCPPair.transport(ours)
        let place = try #require(await listening.description())
        listening.start(role: role == .client ? .server : .client, peerFingerprint: theirs.fingerprint, remote: nil)

        let stranger = TCPPair.transport(try DeviceCertificate.generate())
        stranger.start(role: role, peerFingerprint: ours.fingerprint, remote: place)
        var met = stranger.connections.makeAsyncIterator()
        if role == .client {
            // Under TLS 1.3 a client is done before the server looks at its certificate: it learns the refusal then.
            let connection = try #require(await met.next())
            await #expect(throws: ByteStreamError.self) { try await connection.acceptStream() }
            try await connection.waitUntilClosed()
        } else {
            while stranger.obstacles.isEmpty { await Task.yield() }
            #expect(stranger.obstacles.count == 1)
        }

        let peer = TCPPair.transport(theirs)
        peer.start(role: role, peerFingerprint: ours.fingerprint, remote: place)
        var admitted = listening.connections.makeAsyncIterator()
        let connection = try #require(await admitted.next())
        var reached = peer.connections.makeAsyncIterator()
        let own = try #require(await reached.next())
        let stream = try await own.openStream(contentName: "x")
        try await send([1], on: stream)
        #expect(try await receiveOne(connection).1 == [1])
    }

    /// Strangers who connect and say nothing are closed; while they fill the places, more are refused at once.
    @Test func floodOfStrangersIsRefused() async throws {
        let (ours, theirs) = (try DeviceCertificate.generate(), try DeviceCertificate.generate())
        let listening = TCPPair.transport(ours)
        let place = try #require(await listening.description())
        listening.start(role: .server, peerFingerprint: theirs.fingerprint, remote: nil)
        let group = MultiThreadedEventLoopGroup.singleton
        var strangers: [any Channel] = []
        for _ in 0..<40 {
            let channel = try await ClientBootstrap(group: group).connect(host: "127.0.0.1", port: Int(place.port))
                .get()
            strangers.append(channel)
        }
        // All but as many as have a place are closed without a byte.
        for channel in strangers[DirectTCPTransport.unauthenticatedLimit...] { try await channel.closeFuture.get() }
        #expect(strangers.count { $0.isActive } == DirectTCPTransport.unauthenticatedLimit)
        #expect(listening.unauthenticatedCount == DirectTCPTransport.unauthenticatedLimit)
        // They leave, and the peer gets in.
        for channel in strangers { channel.close(promise: nil) }
        while listening.unauthenticatedCount > 0 { await Task.yield() }
        let peer = TCPPair.transport(theirs)
        peer.start(role: .client, peerFingerprint: ours.fingerprint, remote: place)
        var admitted = listening.connections.makeAsyncIterator()
        _ = try #require(await admitted.next())
    }

    @Test func silentStrangerIsClosed() async throws {
        let (ours, theirs) = (try DeviceCertificate.generate(), try DeviceCertificate.generate())
        let listening = TCPPair.transport(ours, handshakeLimit: .milliseconds(50))
        let place = try #require(await listening.description())
        listening.start(role: .server, peerFingerprint: theirs.fingerprint, remote: nil)
        let stranger = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: Int(place.port)).get()
        try await stranger.closeFuture.get()
        #expect(listening.unauthenticatedCount == 0)
    }

    /// Whoever speaks something else gets an alert at most, and is closed.
    @Test func junkEndsTheConnection() async throws {
        let (ours, theirs) = (try DeviceCertificate.generate(), try DeviceCertificate.generate())
        let listening = TCPPair.transport(ours)
        let place = try #require(await listening.description())
        listening.start(role: .server, peerFingerprint: theirs.fingerprint, remote: nil)
        let stranger = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: Int(place.port)).get()
        stranger.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"), promise: nil)
        try await stranger.closeFuture.get()
        #expect(listening.unauthenticatedCount == 0)
    }

    /// Nobody is let in before the peer's fingerprint is known, and nobody after the end of the negotiation.
    @Test(.timeLimit(.minutes(10))) func listensOnlyForTheNegotiation() async throws {
        let (ours, theirs) = (try DeviceCertificate.generate(), try DeviceCertificate.generate())
        let listening = TCPPair.transport(ours)
        let place = try #require(await listening.description())
        let peer = TCPPair.transport(theirs)
        peer.start(role: .client, peerFingerprint: ours.fingerprint, remote: place)
        listening.start(role: .server, peerFingerprint: theirs.fingerprint, remote: nil)
        var admitted = listening.connections.makeAsyncIterator()
        let connection = try #require(await admitted.next())
        listening.close(except: connection)
        try await listening.waitUntilClosed()
        // A program that another test starts at this moment inherits the socket, and has it as long as it runs.
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        while let channel = try? await bootstrap.connect(host: "127.0.0.1", port: Int(place.port)).get() {
            try await channel.close()
            try await Task.sleep(for: .milliseconds(50))
        }
        var reached = peer.connections.makeAsyncIterator()
        let own = try #require(await reached.next())
        let stream = try await own.openStream(contentName: "x")
        try await send([1], on: stream)
        #expect(try await receiveOne(connection).1 == [1])
    }

    @Test(arguments: [
        ["127.0.0.1"], ["0.0.0.0"], ["224.0.0.1"], ["255.255.255.255"], ["::"], ["::1"], ["ff02::1"], ["fe80::1"],
        ["169.254.1.1"], ["192.0.2.7"], ["::ffff:127.0.0.1"],
    ])
    func addressesThatAreNotThePeersAreNotDialled(addresses: [String]) throws {
        let transport = DirectTCPTransport(
            certificate: try DeviceCertificate.generate(),
            addresses: [ICEAddress(ip: "192.0.2.7", port: 0)].compactMap(\.self))
        #expect(transport.dialled(of: .init(port: 1, addresses: addresses)).isEmpty)
    }

    @Test func onlySoManyAddressesAreDialled() throws {
        let transport = DirectTCPTransport(certificate: try DeviceCertificate.generate(), addresses: [])
        let addresses = (1...32).map { "198.51.100.\($0)" }
        #expect(transport.dialled(of: .init(port: 1, addresses: addresses)).count == DirectTCPTransport.addressLimit)
    }

    private func send(_ bytes: [UInt8], on stream: any ByteStream) async throws {
        try await stream.writeAll(bytes, pool: pool)
        try await stream.finish()
    }

    private func receiveOne(_ connection: any PeerConnection) async throws -> (String, [UInt8]) {
        let (name, stream) = try await connection.acceptStream()
        return (name, try await stream.readAll())
    }
}

/// Two authenticated ends over loopback.
private struct TCPPair {
    let client: TCPConnection
    let server: TCPConnection
    let clientTransport: DirectTCPTransport
    let serverTransport: DirectTCPTransport

    static func transport(
        _ certificate: DeviceCertificate, handshakeLimit: Duration = .seconds(600)
    ) -> DirectTCPTransport {
        DirectTCPTransport(
            certificate: certificate, addresses: [ICEAddress(ip: "127.0.0.1", port: 0)].compactMap(\.self),
            allowsLoopback: true, handshakeLimit: handshakeLimit)
    }

    static func connect() async throws -> TCPPair {
        let (one, other) = (try DeviceCertificate.generate(), try DeviceCertificate.generate())
        let (client, server) = (transport(one), transport(other))
        let place = try #require(await server.description())
        #expect(place.addresses == ["127.0.0.1"])
        server.start(role: .server, peerFingerprint: one.fingerprint, remote: nil)
        client.start(role: .client, peerFingerprint: other.fingerprint, remote: place)
        var (dialled, admitted) = (client.connections.makeAsyncIterator(), server.connections.makeAsyncIterator())
        return TCPPair(
            client: try #require(await dialled.next()), server: try #require(await admitted.next()),
            clientTransport: client, serverTransport: server)
    }

    func streams() async throws -> (any ByteStream, any ByteStream) {
        let stream = try await client.openStream(contentName: "pipe")
        let (name, answer) = try await server.acceptStream()
        #expect(name == "pipe")
        return (stream, answer)
    }
}
