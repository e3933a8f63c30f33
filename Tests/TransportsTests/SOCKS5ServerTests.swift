import CLinux
import Glibc
import ICE
import NIOCore
import NIOPosix
import Testing

@testable import Transports

/// Who is let in by a stream host, byte for byte.
@Suite struct SOCKS5ServerTests {
    private static let destination = "972b7bf47291ca609517f67f86b5081086052dad"
    private static let request = [5, 1, 0, 3, 40] + Array(destination.utf8) + [0, 0]

    private func open(
        _ limits: SOCKS5Sockets.Limits = SOCKS5Pair.generous.sockets
    ) async throws -> (SOCKS5Sockets, UInt16) {
        let sockets = SOCKS5Sockets(ownAddresses: [], allowsLoopback: true, limits: limits)
        return (sockets, try #require(await sockets.listen(destination: Self.destination)))
    }

    /// RFC 1928 § 6, XEP-0065 § 5.3.2: the reply repeats what was asked for.
    @Test(
        arguments: [
            [[5, 1, 0], request],
            // Several methods, and all in one piece
            [[5, 2, 2, 0], request], [[5, 1, 0] + request], ([5, 1, 0] + request).map { [$0] },
            // In upper case
            [[5, 1, 0], [5, 1, 0, 3, 40] + Array(destination.uppercased().utf8) + [0, 0]],
        ] as [[[UInt8]]])
    func peerIsLetIn(pieces: [[UInt8]]) async throws {
        let (sockets, port) = try await open()
        let stranger = try RawClient(port: port)
        let asked = pieces.joined().suffix(43)
        for piece in pieces { stranger.send(piece) }
        #expect(await stranger.read(49) == [5, 0, 5, 0, 0, 3] + asked)
        #expect(await sockets.admitted(at: "127.0.0.1") != nil)
        #expect(sockets.unauthenticatedCount == 0)
        sockets.close()
        // Nothing more is said, and the connection ends with the negotiation.
        #expect(await stranger.read(1) == [])
    }

    @Test(
        arguments: [
            // No method that we know
            ([[5, 1, 2]], [5, 255]), ([[5, 0]], [5, 255]),
            // Another destination, another kind of address
            ([[5, 1, 0], [5, 1, 0, 3, 1, 97, 0, 0]], [5, 0, 5, 2, 0, 3, 1, 97, 0, 0]),
            ([[5, 1, 0], [5, 1, 0, 3, 0, 0, 0]], [5, 0, 5, 2, 0, 3, 0, 0, 0]),
            ([[5, 1, 0], [5, 1, 0, 1, 127, 0, 0, 1, 0, 80]], [5, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80]),
            // BIND, UDP
            ([[5, 1, 0], [5, 2] + request[2...]], [5, 0, 5, 7] + request[2...]),
            ([[5, 1, 0], [5, 3] + request[2...]], [5, 0, 5, 7] + request[2...]),
            // Other protocols, and other versions
            ([[4, 1, 0, 80, 127, 0, 0, 1, 0]], []), ([Array("GET / HTTP/1.1\r\n\r\n".utf8)], []),
            ([[5, 1, 0], [4, 1, 0, 3, 0, 0, 0]], [5, 0]), ([[5, 1, 0], [5, 1, 9, 3, 0, 0, 0]], [5, 0]),
            ([[5, 1, 0], [5, 1, 0, 2, 0, 0, 0]], [5, 0]), ([[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]], []),
        ] as [([[UInt8]], [UInt8])])
    func strangerIsClosed(pieces: [[UInt8]], answer: [UInt8]) async throws {
        let (sockets, port) = try await open()
        let stranger = try RawClient(port: port)
        for piece in pieces { stranger.send(piece) }
        #expect(await stranger.read(.max) == answer)
        #expect(await sockets.admitted(at: "127.0.0.1") == nil)
        while sockets.connectionCount > 0 { await Task.yield() }
    }

    /// A connection that ends anywhere in SOCKS5 ends alone.
    @Test(arguments: 0..<50)
    func connectionMayEndAnywhere(byteCount: Int) async throws {
        let (sockets, port) = try await open()
        for resets in [true, false] {
            let stranger = try RawClient(port: port)
            stranger.send(Array(([5, 1, 0] + Self.request).prefix(byteCount)))
            while sockets.connectionCount == 0 { await Task.yield() }
            stranger.close(resetting: resets)
        }
        let peer = try RawClient(port: port)
        peer.send([5, 1, 0] + Self.request)
        #expect(await peer.read(49).count == 49)
        while sockets.unauthenticatedCount > 0 { await Task.yield() }
        sockets.close()
    }

    @Test func silentStrangerIsClosed() async throws {
        let (sockets, port) = try await open(.init(dial: .seconds(600), admission: .milliseconds(50)))
        // One that says nothing, and one that says everything, slowly
        let (silent, slow) = (try RawClient(port: port), try RawClient(port: port))
        slow.send([5, 1])
        #expect(await silent.read(1) == [])
        #expect(await slow.read(1) == [])
        while sockets.connectionCount > 0 { await Task.yield() }
    }

    @Test func floodOfStrangersIsRefused() async throws {
        let (sockets, port) = try await open()
        var strangers = try (0..<40).map { _ in try RawClient(port: port) }
        // All but as many as have a place are closed without a byte.
        for stranger in strangers[SOCKS5Sockets.unauthenticatedLimit...] { #expect(await stranger.read(1) == []) }
        #expect(sockets.unauthenticatedCount == SOCKS5Sockets.unauthenticatedLimit)
        // They leave, and the peer gets in.
        strangers = []
        while sockets.unauthenticatedCount > 0 { await Task.yield() }
        let peer = try RawClient(port: port)
        peer.send([5, 1, 0] + Self.request)
        #expect(await peer.read(49).count == 49)
        sockets.close()
    }

    /// Even those who know the destination are only so many.
    @Test func onlySoManyAreLetIn() async throws {
        let (sockets, port) = try await open()
        var guests: [RawClient] = []
        for _ in 0..<SOCKS5Sockets.admittedLimit {
            let guest = try RawClient(port: port)
            guest.send([5, 1, 0] + Self.request)
            #expect(await guest.read(49).count == 49)
            guests.append(guest)
        }
        let another = try RawClient(port: port)
        #expect(await another.read(1) == [])
        sockets.close()
    }

    /// What the peer sends before we take the connection is kept, and its end too.
    @Test(arguments: [0, 1, 300_000], [true, false])
    func earlyBytesAreKept(byteCount: Int, isFinished: Bool) async throws {
        let (sockets, port) = try await open()
        let peer = try RawClient(port: port)
        let bytes = numbered(byteCount, salt: 3)
        peer.send([5, 1, 0] + Self.request + bytes.prefix(1))
        #expect(await peer.read(49).count == 49)
        async let sent: Void = peer.finish(Array(bytes.dropFirst(1)), isFinished)
        let channel = try #require(await sockets.admitted(at: "127.0.0.1"))
        let connection = try await sockets.carry(
            TCPSetup(protection: .none(contentName: "x"), kind: .socks5(isProxied: false), pool: BlockPool()),
            over: channel)
        let (name, stream) = try await connection.acceptStream()
        #expect(name == "x")
        await sent
        if !isFinished { peer.shutDown() }
        #expect(try await stream.readAll() == bytes)
        sockets.close(except: channel)
    }

    /// The peer may give connections up; the one it uses is the last one to that address.
    @Test func connectionIsThatToTheAddressUsed() async throws {
        let (sockets, port) = try await open()
        var clients: [RawClient] = []
        for address in ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.4"] {
            let client = try RawClient(port: port, address: address)
            client.send([5, 1, 0] + Self.request)
            #expect(await client.read(49).count == 49)
            clients.append(client)
        }
        for (address, index) in [("127.0.0.2", 2), ("127.0.0.3", 1), ("192.0.2.1", 3)] {
            let channel = try #require(await sockets.admitted(at: address))
            #expect(channel.remoteAddress?.port == clients[index].port)
        }
        sockets.close()
    }
}

/// A peer that is nothing but a blocking socket.
private final class RawClient: Sendable {
    private let descriptor: CInt

    init(port: UInt16, address ip: String = "127.0.0.1") throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, ip, &address.sin_addr)
        let descriptor = descriptor
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
    }

    deinit { Glibc.close(descriptor) }

    var port: Int {
        var address = sockaddr_in()
        var byteCount = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &byteCount) }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    @concurrent func finish(_ bytes: [UInt8], _ isFinished: Bool) async {
        send(bytes)
        if isFinished { shutDown() }
    }

    func shutDown() { shutdown(descriptor, CInt(SHUT_WR)) }

    func close(resetting: Bool) {
        var option = linger(l_onoff: resetting ? 1 : 0, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        // The descriptor stays ours until the end: only what it refers to changes.
        let replacement = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        dup2(replacement, descriptor)
        Glibc.close(replacement)
    }

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
}
