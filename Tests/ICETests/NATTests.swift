import Foundation
import Testing

@testable import ICE

extension ICETests {
    /// Two hosts behind a NAT each, and coturn between them.
    @Suite(.enabled(if: NATNetwork.isPossible), .timeLimit(.minutes(10)))
    struct NATTests {
        @Test(arguments: [
            (NATNetwork.NAT.endpointIndependent, NATNetwork.NAT.endpointIndependent, true),
            (.endpointIndependent, .symmetric, false),
            (.symmetric, .symmetric, false),
            (.blocksUDP, .endpointIndependent, false),
        ])
        func path(_ first: NATNetwork.NAT, _ second: NATNetwork.NAT, _ isDirect: Bool) async throws {
            let network = try NATNetwork(first, second)
            let pair = try network.makePair()
            let (one, other) = (Inbox(), Inbox())
            pair.initiator.setReceiveHandler { one.take($0) }
            pair.responder.setReceiveHandler { other.take($0) }
            let start = ContinuousClock.now
            _ = await pair.connect()
            let duration = ContinuousClock.now - start
            let selected = try #require(pair.initiator.selectedPair)
            print("NAT \(first) and \(second): \(selected.path) in \(duration), \(selected.obstacles)")
            print(
                "  \(selected.local.kind) \(selected.local.address) to \(selected.remote.kind) \(selected.remote.address)"
            )
            #expect((selected.path == .direct) == isDirect)
            if first == .blocksUDP {
                #expect(selected.path == .relayed(by: .local, transport: .tcp))
                #expect(selected.obstacles.contains { if case .noRelay(_, _, .udp) = $0 { true } else { false } })
            }
            try pair.initiator.sendAll([[1]])
            await other.wait(for: 1)
            try pair.responder.sendAll([[2]])
            await one.wait(for: 1)
            if isDirect {
                let socket = try #require(pair.initiator.takeOverSocket())
                let peer = try #require(pair.responder.takeOverSocket())
                try socket.send([3])
                #expect(try peer.receive() == [3])
                try peer.send([4])
                #expect(try socket.receive() == [4])
            }
        }
    }
}
