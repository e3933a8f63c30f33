import Jingle
import Synchronization
import TestSupport

@testable import Transports

/// One end of a connection in memory, whose streams all break at once, wherever they like.
final class BreakableConnection: PeerConnection {
    private typealias Incoming = Handover<(contentName: String, stream: any ByteStream)>

    private let incoming: Incoming
    private let outgoing: Incoming
    private let budget: BreakableStream.Budget
    private let random: Mutex<SeededRandom>

    private init(
        _ incoming: Incoming, _ outgoing: Incoming, _ budget: BreakableStream.Budget, _ random: SeededRandom
    ) {
        self.incoming = incoming
        self.outgoing = outgoing
        self.budget = budget
        self.random = Mutex(random)
    }

    /// - Parameter limit: how many bytes may be written before the connection breaks, if it does.
    static func pair(breakingAfter limit: Int?, seed: UInt64) -> (BreakableConnection, BreakableConnection) {
        let (one, other) = (Incoming(limit: 1000), Incoming(limit: 1000))
        let budget = BreakableStream.Budget(limit) {
            for incoming in [one, other] { incoming.finish(throwing: ByteStreamError.pathLost("it broke")) }
        }
        return (
            BreakableConnection(one, other, budget, SeededRandom(seed: seed)),
            BreakableConnection(other, one, budget, SeededRandom(seed: seed &+ 1))
        )
    }

    let path = PathReport(kind: .directTCP)
    let carriesManyStreams = true

    func openStream(contentName: String) async throws -> any ByteStream {
        let seed = random.withLock { $0.next() }
        let (near, far) = BreakableStream.pair(budget, SeededRandom(seed: seed))
        guard !budget.isUsedUp, outgoing.put((contentName, far)) else { throw ByteStreamError.pathLost("it broke") }
        return near
    }

    func acceptStream() async throws -> (contentName: String, stream: any ByteStream) { try await incoming.next() }

    func limitSending(to limit: RateLimit?) async {}

    func close(code: UInt64) async {
        for incoming in [incoming, outgoing] { incoming.finish(throwing: ByteStreamError.closed("it was closed")) }
    }

    func waitUntilClosed() async throws {}
}
