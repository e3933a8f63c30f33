import ICE
import Testing

extension ICETests {
    @Suite(.enabled(if: TURNRelay.isInstalled), .timeLimit(.minutes(10)))
    struct RelayTests {
        @Test(arguments: [TURNServer.Transport.udp, .tcp])
        func relayedPairCarriesDatagrams(_ transport: TURNServer.Transport) async throws {
            let relay = try await TURNRelay()
            var configuration = ICEConfiguration.loopback
            configuration.turnServers = [relay.server(transport)]
            configuration.forceRelay = true
            let pair = try AgentPair(loop: ICELoop(), initiator: configuration, responder: configuration)
            let inbox = Inbox()
            pair.responder.setReceiveHandler { inbox.take($0) }
            let events = await pair.connect().initiator
            let selected = try #require(pair.initiator.selectedPair)
            #expect(selected.path == .relayed(by: .both, transport: transport))
            #expect(selected.obstacles.contains(.relayOnly))
            #expect(events.allSatisfy { if case .candidate(let one) = $0 { one.kind == .relayed } else { true } })
            #expect(pair.initiator.takeOverSocket() == nil)

            let datagrams = (0..<100).map { [UInt8](repeating: UInt8($0), count: 1000) }
            // In small bursts: coturn drops what its connection to a client does not take at once.
            for end in stride(from: 10, through: 100, by: 10) {
                try pair.initiator.sendAll(Array(datagrams[end - 10..<end]))
                await inbox.wait(for: end)
            }
            #expect(inbox.datagrams == datagrams)
            await pair.initiator.closeAndWait()
            await pair.responder.closeAndWait()
        }

        @Test func oneSideRelays() async throws {
            let relay = try await TURNRelay()
            var configuration = ICEConfiguration.loopback
            configuration.turnServers = [relay.server(.tcp), relay.server(.udp)]
            configuration.forceRelay = true
            let pair = try AgentPair(loop: ICELoop(), initiator: configuration)
            _ = await pair.connect()
            // UDP to the server is preferred to TCP.
            #expect(pair.initiator.selectedPair?.path == .relayed(by: .local, transport: .udp))
            #expect(pair.responder.selectedPair?.path == .relayed(by: .remote, transport: .udp))
            // The side without the relay has an ordinary socket to take over.
            let socket = try #require(pair.responder.takeOverSocket())
            let inbox = Inbox()
            pair.initiator.setReceiveHandler { inbox.take($0) }
            try socket.send([1, 2, 3])
            await inbox.wait(for: 1)
            #expect(inbox.datagrams == [[1, 2, 3]])
            try pair.initiator.sendAll([[4, 5]])
            #expect(try socket.receive() == [4, 5])
        }

        @Test func fullTCPConnectionSaysWhenItTakesMore() async throws {
            let relay = try await TURNRelay()
            var configuration = ICEConfiguration.loopback
            configuration.turnServers = [relay.server(.tcp)]
            configuration.forceRelay = true
            let pair = try AgentPair(loop: ICELoop(), initiator: configuration, responder: configuration)
            let (writable, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
            pair.initiator.setWritableHandler { signal.yield() }
            _ = await pair.connect()
            let run = [UInt8](repeating: 1, count: 64 * 1000)
            var isFull = false
            for _ in 0..<5000 where !isFull {
                isFull = try run.withUnsafeBytes { try pair.initiator.send($0, segmentByteCount: 1000) } < 64
            }
            #expect(isFull)
            for await _ in writable {
                let accepted = try run.withUnsafeBytes { try pair.initiator.send($0, segmentByteCount: 1000) }
                if accepted > 0 { break }
            }
        }

        /// The kernel tells of the end of a connection, whoever else is silent.
        @Test func endOfTheServerIsNoticedOverTCP() async throws {
            let relay = try await TURNRelay()
            var configuration = ICEConfiguration.loopback
            configuration.turnServers = [relay.server(.tcp)]
            configuration.forceRelay = true
            let pair = try AgentPair(loop: ICELoop(), initiator: configuration, responder: configuration)
            _ = await pair.connect()
            relay.stop()
            for agent in [pair.initiator, pair.responder] {
                await #expect(throws: ICEError.relayLost) {
                    while true {
                        try agent.sendAll([[1]])
                        await Task.yield()
                    }
                }
            }
        }

        @Test(arguments: [TURNServer.Transport.udp, .tcp])
        func wrongPasswordGivesNoRelayAndAReason(_ transport: TURNServer.Transport) async throws {
            let relay = try await TURNRelay()
            var configuration = ICEConfiguration.loopback
            configuration.turnServers = [relay.server(transport, password: "wrong")]
            configuration.forceRelay = true
            configuration.checkingLimit = .milliseconds(500)
            let pair = try AgentPair(loop: ICELoop(), initiator: configuration, responder: configuration)
            let events = await pair.connect().initiator
            #expect(!events.contains { if case .candidate = $0 { true } else { false } })
            #expect(events.contains(.gatheringDone))
            let reason = ICEObstacle.relayRefused(host: "127.0.0.1", port: relay.port, transport: transport)
            #expect(events.contains { if case .failed(let reasons) = $0 { reasons.contains(reason) } else { false } })
        }

        @Test func answeringServerIsNoObstacle() async throws {
            let relay = try await TURNRelay()
            var configuration = ICEConfiguration.loopback
            configuration.stunServers = [STUNServer(host: "localhost", port: relay.port)]
            configuration.checkingLimit = .milliseconds(500)
            let agent = try ICEAgent(loop: ICELoop(), role: .controlling, configuration: configuration)
            agent.remoteGatheringDone()
            agent.gather()
            for await event in agent.events {
                guard case .failed(let reasons) = event else { continue }
                #expect(reasons == [.noTURNServer, .noRemoteCandidate])
                break
            }
        }
    }
}
