import Foundation
import ICE
import Testing

extension ICETests {
    @Suite(.timeLimit(.minutes(10)))
    struct TakeoverTests {
        @Test func bothSidesTakeOverMidConnection() async throws {
            let pair = try AgentPair(loop: ICELoop())
            let inbox = Inbox()
            pair.responder.setReceiveHandler { inbox.take($0) }
            _ = await pair.connect()

            // The first side goes over while the other still uses its agent, in both directions.
            let socket = try #require(pair.initiator.takeOverSocket())
            #expect(pair.initiator.state == .closed)
            try socket.send([1])
            try pair.responder.sendAll([[2]])
            #expect(try socket.receive() == [2])
            await inbox.wait(for: 1)
            #expect(inbox.datagrams == [[1]])

            let other = try #require(pair.responder.takeOverSocket())
            try socket.send([3])
            try other.send([4])
            #expect(try other.receive() == [3])
            #expect(try socket.receive() == [4])
            #expect(pair.responder.takeOverSocket() == nil)
        }

        @Test func nothingIsLostAroundTheTakeover() async throws {
            let pair = try AgentPair(loop: ICELoop())
            let inbox = Inbox()
            pair.responder.setReceiveHandler { inbox.take($0) }
            _ = await pair.connect()
            let count = 400
            let sent = (0..<count).map { (number: Int) -> [UInt8] in [UInt8(number >> 8), UInt8(number & 0xFF)] }
            try pair.initiator.sendAll(sent)
            let socket = try #require(pair.responder.takeOverSocket())
            let delivered = inbox.datagrams
            var queued: [[UInt8]] = []
            while delivered.count + queued.count < count { queued.append(try socket.receive()) }
            #expect(delivered + queued == sent)
            // Nothing reaches the handler after the takeover.
            #expect(inbox.datagrams.count == delivered.count)
        }

        @Test func takeoverNeedsAReadyAgent() throws {
            let agent = try ICEAgent(loop: ICELoop(), role: .controlling, configuration: .loopback)
            #expect(agent.takeOverSocket() == nil)
            #expect(agent.state == .idle)
        }

        @Test func repeatedTakeovers() async throws {
            let loop = try ICELoop()
            try await FileDescriptors.expectNoMore(with: loop) {
                for _ in 0..<10 {
                    let pair = try AgentPair(loop: loop)
                    _ = await pair.connect()
                    let socket = try #require(pair.initiator.takeOverSocket())
                    #expect(socket.descriptor > 2)
                }
            }
        }
    }
}

extension ICESocket {
    struct Failed: Error {}

    func send(_ bytes: [UInt8]) throws {
        var remote = self.remote
        let length = remoteByteCount
        let sent = withUnsafeBytes(of: &remote) {
            sendto(descriptor, bytes, bytes.count, 0, $0.bindMemory(to: sockaddr.self).baseAddress, length)
        }
        guard sent == bytes.count else { throw Failed() }
    }

    /// The next datagram that is not STUN.
    func receive() throws -> [UInt8] {
        while true {
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 10_000) == 1 else { throw Failed() }
            var buffer = [UInt8](repeating: 0, count: 2048)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { throw Failed() }
            let isSTUN = count >= 20 && buffer[4..<8] == [0x21, 0x12, 0xA4, 0x42]
            if !isSTUN { return Array(buffer[..<count]) }
        }
    }
}
