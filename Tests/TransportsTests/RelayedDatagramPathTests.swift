import CLinux
import Glibc
import ICE
import Testing

@testable import Transports

/// A path through a TURN server that is a socket of the test's.
@Suite struct RelayedDatagramPathTests {
    /// The agent's socket, the server's, and the path between.
    private struct Setting {
        let agent: LoopbackSocket
        let server: LoopbackSocket
        let path: RelayedDatagramPath

        init(cutsInKernel: Bool = true) throws {
            agent = try #require(LoopbackSocket())
            server = try #require(LoopbackSocket())
            let serverAddress = try #require(ICEAddress(server.storage))
            let route = ICERelayRoute(
                socket: ICESocket(descriptor: dup(agent.descriptor), remote: serverAddress),
                peer: try #require(ICEAddress(ip: "192.0.2.1", port: 4711)))
            let path = RelayedDatagramPath(route, cutsInKernel: cutsInKernel, close: {})
            self.path = try #require(path)
        }

        func close() {
            Glibc.close(agent.descriptor)
            Glibc.close(server.descriptor)
        }
    }

    /// The data of the Send indications that reach the server, at least so many.
    private static func sent(to server: LoopbackSocket, count: Int) throws -> [[UInt8]] {
        var data: [[UInt8]] = []
        while data.count < count {
            let message = try #require(server.read())
            let length = Int(message[2]) << 8 | Int(message[3])
            #expect(message[..<2] == [0x00, 0x16] && length == message.count - 20 && length % 4 == 0)
            // XOR-PEER-ADDRESS, then DATA.
            #expect(message[20..<32] == [0, 0x12, 0, 8, 0, 1, 0x33, 0x75, 0xE1, 0x12, 0xA6, 0x43])
            #expect(message[32..<34] == [0, 0x13])
            let byteCount = Int(message[34]) << 8 | Int(message[35])
            data.append(Array(message[36..<36 + byteCount]))
            #expect(message[(36 + byteCount)...].allSatisfy { $0 == 0 })
            #expect(message.count - 36 - byteCount < 4)
        }
        return data
    }

    @Test(arguments: [1342, 1341, 1200, 4], [true, false])
    func packetsBecomeSendIndications(segmentByteCount: Int, cutsInKernel: Bool) throws {
        let setting = try Setting(cutsInKernel: cutsInKernel)
        defer { setting.close() }
        for lastByteCount in [segmentByteCount, 3] {
            // No more than the server's socket holds.
            for count in [1, 2, 48, 100] where count * max(segmentByteCount, 500) < 70_000 {
                let bytes = numbered((count - 1) * segmentByteCount + lastByteCount, salt: UInt64(count))
                let taken = bytes.withUnsafeBytes { setting.path.send($0, segmentByteCount: segmentByteCount) }
                #expect(taken == bytes.count)
                let sent = try Self.sent(to: setting.server, count: count)
                #expect(sent.map(\.count) == Array(repeating: segmentByteCount, count: count - 1) + [lastByteCount])
                #expect(sent.flatMap { $0 } == bytes)
            }
        }
    }

    /// What the agent needs still comes to the agent.
    @Test func onlyTheDataComePastTheAgent() throws {
        let setting = try Setting()
        defer { setting.close() }
        let stun: [UInt8] = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42] + Array(repeating: 9, count: 12)
        let greased: [UInt8] = Array(0..<32)
        let peer: [UInt8] = [0, 0x12, 0, 8, 0, 1, 0x33, 0x75, 0xE1, 0x12, 0xA6, 0x43]
        func channelData(_ bytes: [UInt8]) -> [UInt8] { [0x40, 0, 0, UInt8(bytes.count)] + bytes }
        func attribute(_ bytes: [UInt8]) -> [UInt8] { [0, 0x13, 0, UInt8(bytes.count)] + bytes }
        func indication(_ attributes: [UInt8]) -> [UInt8] {
            [0, 0x17, 0, UInt8(attributes.count)] + stun[4...] + attributes
        }
        let refreshed: [UInt8] = [1, 4, 0, 0] + stun[4...]
        let data = [
            channelData(greased), indication(peer + attribute(greased)), indication(attribute(greased) + peer),
        ]
        let others = [stun, refreshed, channelData(stun), indication(peer + attribute(stun)), [0], [0x40]]
        for message in data + others { setting.server.send(message, to: setting.agent.address) }

        var received: [[UInt8]] = []
        while setting.path.receive({ received.append([UInt8]($0)) }) {}
        #expect(received == Array(repeating: greased, count: data.count))
        for message in others { #expect(setting.agent.read() == message) }
        // Not a word, and not to be read by the agent either.
        setting.server.send([0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], to: setting.agent.address)
        _ = setting.path.receive { _ in Issue.record("that is no data") }
        #expect(recv(setting.agent.descriptor, nil, 0, CInt(truncatingIfNeeded: MSG_DONTWAIT)) == -1)
    }

    /// After the path has gone, everything comes to the agent again.
    @Test func theAgentReadsAgainInTheEnd() throws {
        let agent = try #require(LoopbackSocket())
        let server = try #require(LoopbackSocket())
        defer {
            Glibc.close(agent.descriptor)
            Glibc.close(server.descriptor)
        }
        let route = ICERelayRoute(
            socket: ICESocket(
                descriptor: dup(agent.descriptor), remote: try #require(ICEAddress(server.storage))),
            peer: try #require(ICEAddress(ip: "2001:db8::1", port: 4711)))
        for _ in 0..<3 {
            var path = RelayedDatagramPath(route, close: {})
            #expect(path != nil)
            path = nil
            let message = [0x40, 0, 0, 20] + [UInt8](repeating: 7, count: 20)
            server.send(message, to: agent.address)
            #expect(agent.read() == message)
        }
    }

    @Test func noSocketNoPath() throws {
        let address = try #require(ICEAddress(ip: "127.0.0.1", port: 9))
        let route = ICERelayRoute(socket: ICESocket(descriptor: -1, remote: address), peer: address)
        let path = RelayedDatagramPath(route, close: {})
        #expect(path == nil)
    }
}

extension LoopbackSocket {
    /// The address for the socket calls.
    var storage: sockaddr_storage {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: address.bytes) }
        return storage
    }

    /// The next datagram; `nil` if none comes within ten seconds.
    func read() -> [UInt8]? {
        var waiting = pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0)
        guard poll(&waiting, 1, 10_000) == 1 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 2048)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count < 0 ? nil : Array(buffer[..<count])
    }

    func send(_ bytes: [UInt8], to address: SocketAddress) {
        let sent = bytes.withUnsafeBytes { message in
            address.bytes.withUnsafeBytes {
                datagram_send_segments(
                    descriptor, $0.baseAddress, socklen_t($0.count), message.baseAddress, message.count, message.count)
            }
        }
        #expect(sent == bytes.count)
    }
}
