import Foundation
import ICE
import Testing

@testable import Transports

extension ICETests {
    /// Relayed datagrams past the agent, through a real coturn.
    @Suite(.enabled(if: TURNRelay.isInstalled), .timeLimit(.minutes(10)))
    struct RelayPastAgentTests {
        private static func connect(
            to relay: TURNRelay, transport: TURNServer.Transport = .udp, bothRelay: Bool = true
        ) async throws -> AgentPair {
            var configuration = ICEConfiguration.loopback
            configuration.turnServers = [relay.server(transport)]
            configuration.forceRelay = true
            let pair = try AgentPair(
                loop: ICELoop(), initiator: configuration, responder: bothRelay ? configuration : .loopback)
            _ = await pair.connect()
            return pair
        }

        /// As short as QUIC's.
        private static func datagram(_ byte: UInt8) -> [UInt8] { Array(repeating: byte, count: 21) }

        @Test func bothSidesGoPastTheirAgents() async throws {
            let relay = try await TURNRelay()
            defer { withExtendedLifetime(relay) {} }
            let pair = try await Self.connect(to: relay)
            let inbox = Inbox()
            pair.responder.setReceiveHandler { inbox.take($0) }
            // The first side goes past its agent while the other still uses its own, in both directions.
            let path = try PastAgent(pair.initiator)
            try path.send(Self.datagram(1))
            await inbox.wait(for: 1)
            #expect(inbox.datagrams == [Self.datagram(1)])
            try pair.responder.sendAll([Self.datagram(4)])
            #expect(try path.receive() == Self.datagram(4))

            let other = try PastAgent(pair.responder)
            let run = (0..<20 * 1342).map { UInt8(truncatingIfNeeded: $0 / 1342) }
            #expect(run.withUnsafeBytes { path.path.send($0, segmentByteCount: 1342) } == run.count)
            for number in UInt8(0)..<20 { #expect(try other.receive() == Array(repeating: number, count: 1342)) }
            try other.send(Self.datagram(6))
            #expect(try path.receive() == Self.datagram(6))
            path.path.close()
            // The agent is torn down on its loop, before what is asked of the loop now.
            pair.initiator.deliverReceived()
            #expect(pair.initiator.state == .closed)
            await pair.responder.closeAndWait()
        }

        /// The address lives for four seconds only, unless libnice still gets the answers to its refreshing.
        @Test func relayedAddressIsKeptAlive() async throws {
            let relay = try await TURNRelay(lifetimeSeconds: 4)
            defer { withExtendedLifetime(relay) {} }
            let pair = try await Self.connect(to: relay)
            let path = try PastAgent(pair.initiator)
            let other = try PastAgent(pair.responder)
            let end = ContinuousClock.now + .seconds(10)
            while ContinuousClock.now < end {
                try path.send(Self.datagram(1))
                #expect(try other.receive() == Self.datagram(1))
                try other.send(Self.datagram(2))
                #expect(try path.receive() == Self.datagram(2))
                try await Task.sleep(for: .milliseconds(100))
            }
            path.path.close()
            other.path.close()
        }

        @Test func onlyOurRelayOverUDPHasSuchARoute() async throws {
            let relay = try await TURNRelay()
            defer { withExtendedLifetime(relay) {} }
            let overTCP = try await Self.connect(to: relay, transport: .tcp)
            #expect(overTCP.initiator.relayRoute() == nil)
            let oneSided = try await Self.connect(to: relay, bothRelay: false)
            #expect(oneSided.initiator.relayRoute() != nil)
            #expect(oneSided.responder.relayRoute() == nil)
            oneSided.initiator.close()
            #expect(oneSided.initiator.relayRoute() == nil)
        }

        /// Whatever came before is delivered before the path is used.
        @Test func nothingIsLostAroundTheChange() async throws {
            let relay = try await TURNRelay()
            defer { withExtendedLifetime(relay) {} }
            let pair = try await Self.connect(to: relay, bothRelay: false)
            let inbox = Inbox()
            pair.initiator.setReceiveHandler { inbox.take($0) }
            let sent = (0..<40).map { (number: Int) -> [UInt8] in Self.datagram(UInt8(number)) }
            try pair.responder.sendAll(sent)
            let path = try PastAgent(pair.initiator)
            pair.initiator.deliverReceived()
            let delivered = inbox.datagrams
            var received: [[UInt8]] = []
            while delivered.count + received.count < sent.count { received.append(try path.receive()) }
            #expect(delivered + received == sent)
            path.path.close()
            await pair.responder.closeAndWait()
        }
    }
}

/// A path, and what was received over it with something else.
private final class PastAgent {
    struct Failed: Error {}

    let path: RelayedDatagramPath
    private var waiting: [[UInt8]] = []

    init(_ agent: ICEAgent) throws {
        guard let route = agent.relayRoute(), let path = RelayedDatagramPath(route, close: { agent.close() }) else {
            throw Failed()
        }
        self.path = path
    }

    func send(_ bytes: [UInt8]) throws {
        let taken = bytes.withUnsafeBytes { path.send($0, segmentByteCount: bytes.count) }
        guard taken == bytes.count else { throw Failed() }
    }

    func receive() throws -> [UInt8] {
        while waiting.isEmpty {
            var poller = pollfd(fd: path.readinessDescriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 10_000) == 1 else { throw Failed() }
            _ = path.receive { waiting.append([UInt8]($0)) }
        }
        return waiting.removeFirst()
    }
}
