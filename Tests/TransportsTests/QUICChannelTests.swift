import CLinux
import SecureChannels
import Synchronization
import Testing
import Transports

/// Real sockets on loopback, real threads, the real clock.
@Suite(.timeLimit(.minutes(10))) struct QUICChannelTests {
    let pool = BlockPool()

    @Test func carries64MebibytesExactly() async throws {
        let pair = try await ChannelPair.connect()
        let content = numbered(64 << 20, salt: 1)
        async let received = receiveOne(pair.server)
        let stream = try await pair.client.openStream(contentName: "big")
        try await stream.writeAll(content, pool: pool)
        try await stream.finish()
        let (name, bytes) = try await received
        #expect(name == "big")
        #expect(bytes == content)
        await pair.client.close()
        #expect(try await pair.server.waitUntilClosed() == .peer(code: 0, reason: ""))
    }

    @Test func carriesBothWaysAtOnce() async throws {
        let pair = try await ChannelPair.connect()
        let up = numbered(3_000_001, salt: 2)
        let down = numbered(2_000_003, salt: 3)
        let stream = try await pair.client.openStream(contentName: "pipe")
        let answer = try await pair.server.acceptStream().stream
        async let receivedUp = answer.readAll()
        async let receivedDown = stream.readAll()
        async let sentDown: Void = send(down, on: answer)
        try await send(up, on: stream)
        try await sentDown
        #expect(try await receivedUp == up)
        #expect(try await receivedDown == down)
    }

    @Test func oneDirectionEndsAloneAndTheOtherGoesOn() async throws {
        let pair = try await ChannelPair.connect()
        let stream = try await pair.client.openStream(contentName: "half")
        try await send([1, 2, 3], on: stream)
        let answer = try await pair.server.acceptStream().stream
        #expect(try await answer.readAll() == [1, 2, 3])
        for round in UInt8(0)..<20 {
            try await answer.writeAll([round], pool: pool)
            #expect(try await stream.read().map { Array($0.bytes) } == [round])
        }
        try await answer.finish()
        #expect(try await stream.read() == nil)
    }

    @Test func whatWasReceivedCanBeReadAfterTheEnd() async throws {
        let pair = try await ChannelPair.connect()
        let content = numbered(5_000_000, salt: 4)
        let stream = try await pair.client.openStream(contentName: "late")
        try await send(content, on: stream)
        await pair.client.close(code: 7, reason: "done")
        #expect(try await pair.server.waitUntilClosed() == .peer(code: 7, reason: "done"))
        let (name, answer) = try await pair.server.acceptStream()
        #expect(name == "late")
        #expect(try await answer.readAll() == content)
        await #expect(throws: ByteStreamError.self) { try await pair.server.acceptStream() }
    }

    @Test func aSlowReaderHoldsTheWriter() async throws {
        let pair = try await ChannelPair.connect()
        let stream = try await pair.client.openStream(contentName: "slow")
        let answer = try await pair.server.acceptStream().stream
        let written = Counter()
        let limit = 120 << 20
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [pool] in
                let block = pool.take()
                block.count = block.capacity
                while written.value < limit {
                    try await stream.write(block)
                    written.add(block.count)
                }
                try await stream.finish()
            }
            // What fits into the windows is written; after that the writer comes to rest by itself.
            var last = -1
            while written.value != last || last <= 8 << 20 {
                last = written.value
                try await Task.sleep(for: .milliseconds(150))
            }
            // The windows and the send buffer together hold less than this at any time.
            var received = 0
            while let block = try await answer.read() {
                #expect(written.value - received < 64 << 20)
                received += block.count
            }
            #expect(received >= limit)
            try await group.waitForAll()
        }
    }

    @Test func cancellingAReadLeavesTheStreamUsable() async throws {
        let pair = try await ChannelPair.connect()
        let stream = try await pair.client.openStream(contentName: "c")
        let answer = try await pair.server.acceptStream().stream
        let reader = Task { try await answer.read() }
        reader.cancel()
        await #expect(throws: CancellationError.self) { try await reader.value }
        try await send([5], on: stream)
        #expect(try await answer.readAll() == [5])
    }

    @Test func cancellingAcceptAndConnectEnds() async throws {
        let pair = try await ChannelPair.connect()
        let acceptor = Task { try await pair.server.acceptStream() }
        acceptor.cancel()
        await #expect(throws: CancellationError.self) { try await acceptor.value }

        let socket = try #require(LoopbackSocket())
        let path = try #require(SocketDatagramPath(descriptor: socket.descriptor, remote: socket.address))
        let alice = try ChannelPair.alice.get()
        let connecting = Task {
            try await QUICChannel.connect(
                role: .server, certificate: alice, peerFingerprint: alice.fingerprint, path: path)
        }
        connecting.cancel()
        await #expect(throws: CancellationError.self) { try await connecting.value }
    }

    @Test func resetFailsBothDirectionsOfThePeer() async throws {
        let pair = try await ChannelPair.connect()
        let stream = try await pair.client.openStream(contentName: "r")
        try await stream.writeAll([1], pool: pool)
        let answer = try await pair.server.acceptStream().stream
        stream.reset(code: 9)
        await #expect(throws: ByteStreamError.reset(code: 9)) {
            while try await answer.read() != nil {}
        }
        await #expect(throws: ByteStreamError.reset(code: 9)) {
            while true { try await answer.writeAll([1], pool: pool) }
        }
        await #expect(throws: ByteStreamError.reset(code: 9)) { try await stream.read() }
        // Others are not disturbed.
        let second = try await pair.client.openStream(contentName: "second")
        try await send([2], on: second)
        #expect(try await pair.server.acceptStream().stream.readAll() == [2])
    }

    /// A connection that is closed for a reason tells it to whoever still uses it; one that is just closed may be followed
    /// by another.
    @Test func closingWithACodeAbortsWhatIsOpen() async throws {
        for (code, error) in [(0, ByteStreamError.closed("the peer closed the connection")), (2, .reset(code: 2))] {
            let pair = try await ChannelPair.connect()
            let stream = try await pair.client.openStream(contentName: "given up")
            try await stream.writeAll([1], pool: pool)
            let answer = try await pair.server.acceptStream().stream
            #expect(try await answer.read() != nil)
            await pair.server.close(code: UInt64(code))
            await #expect(throws: error) { try await stream.read() }
            await #expect(throws: error) { while true { try await stream.writeAll([1], pool: pool) } }
            await #expect(throws: error) { try await pair.client.acceptStream() }
            await #expect(throws: error) { try await pair.client.openStream(contentName: "late") }
        }
    }

    @Test func manyStreamsOneAfterTheOther() async throws {
        var options = QUICOptions()
        options.peerStreamCount = 8
        let pair = try await ChannelPair.connect(options: options)
        let pool = pool
        async let served: Void = {
            for index in 0..<100 {
                let (name, stream) = try await pair.server.acceptStream()
                #expect(name == "s\(index)")
                let bytes = try await stream.readAll()
                try await stream.writeAll(bytes, pool: pool)
                try await stream.finish()
            }
        }()
        for index in 0..<100 {
            let stream = try await pair.client.openStream(contentName: "s\(index)")
            let content = numbered(10_000 + index, salt: UInt64(index))
            try await send(content, on: stream)
            #expect(try await stream.readAll() == content)
        }
        try await served
    }

    @Test func theWrongPeerIsRefusedOnBothSides() async throws {
        let stranger = try DeviceCertificate.generate().fingerprint
        for isClient in [true, false] {
            let error = await #expect(throws: ByteStreamError.self) {
                try await ChannelPair.connect(
                    clientExpects: isClient ? stranger : nil, serverExpects: isClient ? nil : stranger)
            }
            guard case .peerNotAuthenticated = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test func aDeadPathIsNoticed() async throws {
        var options = QUICOptions()
        // Long enough for the threads of a busy machine to be heard.
        options.idleTimeout = .seconds(4)
        options.keepAlive = .milliseconds(200)
        let paths = Mutex<[CuttablePath]>([])
        let pair = try await ChannelPair.connect(options: options) { socket, remote in
            SocketDatagramPath(descriptor: socket.descriptor, remote: remote).map { inner in
                let path = CuttablePath(inner)
                paths.withLock { $0.append(path) }
                return path
            }
        }
        let stream = try await pair.client.openStream(contentName: "dead")
        try await stream.writeAll([1], pool: pool)
        let answer = try await pair.server.acceptStream().stream
        #expect(try await answer.read() != nil)
        for path in paths.withLock({ $0 }) { path.isCut.store(true, ordering: .relaxed) }
        await #expect(throws: ByteStreamError.pathLost("nothing was heard from the peer")) { try await answer.read() }
        await #expect(throws: ByteStreamError.pathLost("nothing was heard from the peer")) { try await stream.finish() }
        #expect(try await pair.client.waitUntilClosed() == .idleTimeout)
        await #expect(throws: ByteStreamError.self) { try await pair.client.openStream(contentName: "late") }
    }

    /// What the system says of a path need not be found out by silence. Idle as it is, the connection learns it with its next
    /// packet.
    @Test func aPathThatIsKnownToBeLostIsNotWaitedFor() async throws {
        var options = QUICOptions()
        options.idleTimeout = .seconds(3600)
        options.keepAlive = .milliseconds(100)
        let paths = Mutex<[CuttablePath]>([])
        let pair = try await ChannelPair.connect(options: options) { socket, remote in
            SocketDatagramPath(descriptor: socket.descriptor, remote: remote).map { inner in
                let path = CuttablePath(inner)
                paths.withLock { $0.append(path) }
                return path
            }
        }
        let stream = try await pair.client.openStream(contentName: "cut")
        try await stream.writeAll([1], pool: pool)
        let answer = try await pair.server.acceptStream().stream
        #expect(try await answer.read() != nil)
        for path in paths.withLock({ $0 }) { path.isKnownToBeCut.store(true, ordering: .relaxed) }
        for stream in [stream, answer] {
            await #expect(throws: ByteStreamError.pathLost("the cable was cut")) { try await stream.read() }
        }
        #expect(try await pair.client.waitUntilClosed() == .pathLost("the cable was cut"))
    }

    /// Also of streams that have work for the connection in the same moment.
    @Test(arguments: [false, true]) func everyWaiterHearsOfTheEnd(isOurs: Bool) async throws {
        let pair = try await ChannelPair.connect()
        var streams: [BufferedByteStream] = []
        for index in 0..<4 { streams.append(try await pair.client.openStream(contentName: "\(index)")) }
        let block = pool.take()
        block.count = 1
        await withTaskGroup(of: Void.self) { group in
            for stream in streams {
                group.addTask { await #expect(throws: ByteStreamError.self) { try await stream.read() } }
                // Work for the connection's thread at every moment, also at the one at which the connection ends.
                group.addTask {
                    await #expect(throws: ByteStreamError.self) {
                        while true {
                            try await stream.write(block)
                            await Task.yield()
                        }
                    }
                }
            }
            await (isOurs ? pair.client : pair.server).close()
        }
    }

    @Test func thePathIsTakenOverOnceEstablished() async throws {
        let agents = Mutex<[TestAgent]>([])
        let pair = try await ChannelPair.connect { socket, remote in
            let agent = TestAgent(socket, remote: remote)
            agents.withLock { $0.append(agent) }
            return agent.makePath(allowsTakeOver: true)
        }
        let content = numbered(8 << 20, salt: 5)
        async let received = receiveOne(pair.server)
        let stream = try await pair.client.openStream(contentName: "switched")
        try await send(content, on: stream)
        #expect(try await received.1 == content)
        for agent in agents.withLock({ $0 }) {
            let isTaken = agent.isTaken.load(ordering: .relaxed)
            let sent = agent.sent.load(ordering: .relaxed)
            #expect(isTaken)
            // The agent has carried the handshake only.
            #expect(sent > 0 && sent < 200)
        }
    }

    @Test(arguments: [true, false]) func theAgentCarriesEverythingIfItMust(isRelayed: Bool) async throws {
        let agents = Mutex<[TestAgent]>([])
        let pair = try await ChannelPair.connect { socket, remote in
            let agent = TestAgent(socket, remote: remote)
            agents.withLock { $0.append(agent) }
            return agent.makePath(isRelayed: isRelayed, allowsTakeOver: false)
        }
        let content = numbered(2 << 20, salt: 6)
        async let received = receiveOne(pair.server)
        let stream = try await pair.client.openStream(contentName: "agent")
        try await send(content, on: stream)
        #expect(try await received.1 == content)
        if isRelayed { #expect(pair.client.statistics.payloadByteCount <= 1342) }
    }

    @Test func theLongestNameFits() async throws {
        let pair = try await ChannelPair.connect()
        let stream = try await pair.client.openStream(contentName: String(repeating: "é", count: 512))
        try await send([1], on: stream)
        let (name, _) = try await pair.server.acceptStream()
        #expect(name.utf8.count == 1024)
        await #expect(throws: ByteStreamError.self) {
            try await pair.client.openStream(contentName: String(repeating: "x", count: 1025))
        }
    }

    @Test func droppingTheChannelClosesIt() async throws {
        var pair: ChannelPair? = try await ChannelPair.connect()
        let server = try #require(pair?.server)
        pair = nil
        #expect(try await server.waitUntilClosed() == .peer(code: 0, reason: ""))
    }

    private func send(_ bytes: [UInt8], on stream: BufferedByteStream) async throws {
        try await stream.writeAll(bytes, pool: pool)
        try await stream.finish()
    }

    private func receiveOne(_ channel: QUICChannel) async throws -> (String, [UInt8]) {
        let (name, stream) = try await channel.acceptStream()
        return (name, try await stream.readAll())
    }

    /// More bytes wait on streams that nobody reads than the connection's window is by default; one that is read gets
    /// everything all the same.
    @Test func stalledStreamsHoldNoOtherBack() async throws {
        let pair = try await ChannelPair.connect(options: .manyStreams)
        let pool = BlockPool()
        let written = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            var held: [any ByteStream] = []
            for _ in 0..<20 {
                let stalled = try await pair.client.openStream(contentName: "stalled")
                group.addTask {
                    let block = pool.take()
                    block.count = block.capacity
                    while written.value < 20 * (16 << 20) {
                        try await stalled.write(block)
                        written.add(block.count)
                    }
                }
                held.append(try await pair.server.acceptStream().stream)
            }
            let content = numbered(20 << 20, salt: 5)
            let stream = try await pair.client.openStream(contentName: "quick")
            group.addTask {
                try await stream.writeAll(content, pool: pool)
                try await stream.finish()
            }
            let (_, answer) = try await pair.server.acceptStream()
            #expect(try await answer.readAll() == content)
            for stream in held { stream.reset(code: 0) }
        }
        await pair.client.close()
    }

}
