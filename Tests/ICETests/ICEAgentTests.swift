import Foundation
import ICE
import TestSupport
import Testing

extension ICETests {
    @Suite(.timeLimit(.minutes(10)))
    struct ICEAgentTests {
        @Test func loopbackPairIsDirect() async throws {
            let pair = try AgentPair(loop: ICELoop())
            let events = await pair.connect()
            let selected = try #require(pair.initiator.selectedPair)
            #expect(selected.path == .direct)
            #expect(selected.obstacles.isEmpty)
            #expect(selected.localFamily == .ipv4 && selected.remoteFamily == .ipv4)
            #expect(pair.responder.selectedPair?.local.address == selected.remote.address)
            #expect(pair.responder.state == .ready)
            #expect(events.initiator.contains(.selectedPair(selected)))
            await pair.initiator.closeAndWait()
            await pair.responder.closeAndWait()
            #expect(pair.initiator.state == .closed)
        }

        @Test func datagramsTravelBothWays() async throws {
            let pair = try AgentPair(loop: ICELoop())
            let (first, second) = (Inbox(), Inbox())
            pair.initiator.setReceiveHandler { first.take($0) }
            pair.responder.setReceiveHandler { second.take($0) }
            _ = await pair.connect()
            let datagrams = (0..<150).map { [UInt8](repeating: UInt8($0), count: 100 + $0) }
            try pair.initiator.sendAll(datagrams)
            try pair.responder.sendAll(datagrams.reversed())
            await first.wait(for: 150)
            await second.wait(for: 150)
            #expect(second.datagrams == datagrams)
            #expect(first.datagrams == datagrams.reversed())
        }

        @Test func segmentsOfARunAreSingleDatagrams() async throws {
            let pair = try AgentPair(loop: ICELoop())
            let inbox = Inbox()
            pair.responder.setReceiveHandler { inbox.take($0) }
            _ = await pair.connect()
            let run = (0..<2500).map { UInt8(truncatingIfNeeded: $0) }
            let accepted = try run.withUnsafeBytes { try pair.initiator.send($0, segmentByteCount: 1000) }
            #expect(accepted == 3)
            await inbox.wait(for: 3)
            #expect(inbox.datagrams.map(\.count) == [1000, 1000, 500])
            #expect(Array(inbox.datagrams.joined()) == run)
        }

        @Test func earlyDatagramsWaitForAHandler() async throws {
            let pair = try AgentPair(loop: ICELoop())
            _ = await pair.connect()
            try pair.initiator.sendAll([[1], [2], [3]])
            let inbox = Inbox()
            pair.responder.setReceiveHandler { inbox.take($0) }
            await inbox.wait(for: 3)
            #expect(inbox.datagrams == [[1], [2], [3]])
        }

        @Test func sendingBeforeAPairAcceptsNothing() throws {
            let agent = try ICEAgent(loop: ICELoop(), role: .controlling, configuration: .loopback)
            let bytes: [UInt8] = [1, 2, 3]
            #expect(try bytes.withUnsafeBytes { try agent.send($0, segmentByteCount: 3) } == 0)
            agent.close()
            #expect(throws: ICEError.closed) { try bytes.withUnsafeBytes { try agent.send($0, segmentByteCount: 3) } }
        }

        @Test func roleConflictIsResolved() async throws {
            let loop = try ICELoop()
            let first = try ICEAgent(loop: loop, role: .controlling, configuration: .loopback)
            let second = try ICEAgent(loop: loop, role: .controlling, configuration: .loopback)
            first.setRemote(second.localCredentials)
            second.setRemote(first.localCredentials)
            first.gather()
            second.gather()
            async let one = AgentPair.follow(first, signallingTo: second)
            async let other = AgentPair.follow(second, signallingTo: first)
            _ = await (one, other)
            #expect(first.state == .ready)
            #expect(second.state == .ready)
        }

        @Test func hostCandidatesDoNotWaitForADeadServer() async throws {
            let silent = try HeldPort()
            var configuration = ICEConfiguration.loopback
            configuration.stunServers = [STUNServer(host: "127.0.0.1", port: silent.port)]
            let pair = try AgentPair(loop: ICELoop(), initiator: configuration, responder: configuration)
            let events = await pair.connect().initiator
            #expect(pair.initiator.selectedPair?.path == .direct)
            let candidate = events.firstIndex { if case .candidate = $0 { true } else { false } }
            let selected = events.firstIndex { if case .selectedPair = $0 { true } else { false } }
            let gathered = events.firstIndex(of: .gatheringDone)
            #expect(try #require(candidate) < #require(selected))
            #expect(try #require(selected) < #require(gathered))
        }

        @Test func namesWithoutAddressEndGathering() async throws {
            var configuration = ICEConfiguration.loopback
            configuration.stunServers = [STUNServer(host: "stun.invalid")]
            configuration.turnServers = [
                TURNServer(host: "turn.invalid", transport: .udp, username: "a", password: "b")
            ]
            let pair = try AgentPair(loop: ICELoop(), initiator: configuration)
            let events = await pair.connect().initiator
            #expect(events.contains(.gatheringDone))
            #expect(pair.initiator.state == .ready)
        }

        @Test func noPathIsReportedWithReasons() async throws {
            let silent = try HeldPort()
            var configuration = ICEConfiguration.loopback
            configuration.stunServers = [STUNServer(host: "127.0.0.1", port: silent.port)]
            configuration.checkingLimit = .milliseconds(200)
            let agent = try ICEAgent(loop: ICELoop(), role: .controlling, configuration: configuration)
            agent.setRemote(
                try #require(ICECredentials(usernameFragment: "abcd", password: .init(repeating: "x", count: 22))))
            agent.add([
                try ICECandidate(
                    foundation: "1", component: 1, priority: 100, kind: "host", ip: "127.0.0.1", port: Int(silent.port))
            ])
            agent.remoteGatheringDone()
            agent.gather()
            var obstacles: [ICEObstacle] = []
            for await event in agent.events {
                guard case .failed(let reasons) = event else { continue }
                obstacles = reasons
                break
            }
            #expect(obstacles.contains(.noSTUNAnswer(host: "127.0.0.1", port: silent.port)))
            #expect(obstacles.contains(.noTURNServer))
            #expect(agent.state == .failed)
        }

        @Test func createAndDestroy() async throws {
            let loop = try ICELoop()
            try await FileDescriptors.expectNoMore(with: loop) {
                for round in 0..<200 {
                    let agent = try ICEAgent(loop: loop, role: .controlled, configuration: .loopback)
                    if round.isMultiple(of: 2) { agent.gather() }
                    if round.isMultiple(of: 3) { agent.close() }
                    if round.isMultiple(of: 7) { await agent.closeAndWait() }
                }
            }
        }

        @Test func droppingConnectedAgentsIsSafe() async throws {
            let loop = try ICELoop()
            for _ in 0..<10 {
                let pair = try AgentPair(loop: loop)
                let inbox = Inbox()
                pair.responder.setReceiveHandler { inbox.take($0) }
                _ = await pair.connect()
                try pair.initiator.sendAll((0..<50).map { _ in [UInt8](repeating: 7, count: 1000) })
            }
        }
    }
}

enum FileDescriptors {
    static func count() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }

    /// Runs the body once for what is only opened once, and again; all that it opened then has to be closed.
    ///
    /// Other tests of this process open descriptors meanwhile, but not each time; what is left open is so each time.
    static func expectNoMore(with loop: ICELoop, after body: () async throws -> Void) async throws {
        try await body()
        var growth = Int.max
        for _ in 0..<10 where growth > 0 {
            let before = try await settledCount(with: loop, below: 0)
            try await body()
            growth = try await settledCount(with: loop, below: before + 1) - before
        }
        #expect(growth <= 0)
    }

    /// Agents are freed in the background, within some turns of the loop.
    private static func settledCount(with loop: ICELoop, below limit: Int) async throws -> Int {
        for _ in 0..<20 {
            let agent = try ICEAgent(loop: loop, role: .controlled, configuration: .loopback)
            await agent.closeAndWait()
            if try count() < limit { break }
        }
        return try count()
    }
}
