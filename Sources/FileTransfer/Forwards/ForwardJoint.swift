// Wire/Stream-Continuation.md § Many streams: what forwarded connections are beyond their sessions.
import Jingle
import Synchronization
import Transports
import XMPP

/// What is done with the streams of a forward, over as many sessions as it takes.
final class ForwardJoint: Sendable {
    /// How long what has come may take to be written once the connection is over.
    static let drainingLimit = Duration.seconds(10)
    /// How long the peer may take to learn that all has arrived.
    private static let settlingLimit = Duration.seconds(2)

    private let role: JingleRole
    private let body: @Sendable (ForwardLink) async throws -> Void
    private let beginning = Outcome<ForwardLink>()
    private let result = Outcome<Result<Void, any Error>>()
    private let continued = Mutex<ContinuedConnection?>(nil)

    /// - Parameter body: runs once; when it returns, the last session ends.
    init(as role: JingleRole, _ body: @escaping @Sendable (ForwardLink) async throws -> Void) {
        self.role = role
        self.body = body
    }

    /// How many bytes of all connections have arrived, as far as it is known.
    var progress: Int64 { continued.withLock { $0 }?.arrivedByteCount ?? 0 }

    /// Runs the sessions, one after the other, beside the body, which goes through them all.
    func run(_ sessions: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                await self.runBody()
                return false
            }
            group.addTask {
                try await sessions()
                return true
            }
            while try await group.next() == false {}
        }
    }

    private func runBody() async {
        do {
            let link = try await beginning.value()
            try await body(link)
            result.settle(.success(.success(())))
        } catch {
            result.settle(.success(.failure(error)))
        }
    }

    /// Begins the body, if that has not begun in an earlier session, and carries its streams until it is over or the
    /// connection is.
    ///
    /// - Parameter isContinuable: whether both sides can go on in another session.
    /// - Throws: what the body throws, `ByteStreamError`, `CancellationError`.
    func run(
        over connection: any PeerConnection, _ contentName: String, to peer: JID, isContinuable: Bool,
        blocks: BlockPool
    ) async throws {
        let continued = continued.withLock { continued in
            if isContinuable, continued == nil {
                continued = ContinuedConnection(role == .initiator ? .initiator : .responder, pool: blocks)
            }
            return continued
        }
        beginning.settle(
            .success(
                ForwardLink(exchange: continued ?? connection, contentName: contentName, peer: peer, blocks: blocks)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await self.result.value().get() }
            group.addTask {
                if let continued {
                    try await continued.carry(over: connection, contentName: contentName)
                } else {
                    try await connection.waitUntilClosed()
                    // What has come is still being written.
                    try await Task.sleep(for: Self.drainingLimit)
                    throw ByteStreamError.closed("the peer closed the connection")
                }
            }
            try await group.next()
            if let continued {
                _ = try await within(Self.settlingLimit) { try await continued.settle() }
            }
        }
    }

    /// No session follows. Returns when what has come is written.
    ///
    /// - Throws: `CancellationError`.
    func finish() async throws {
        guard let continued = continued.withLock({ $0 }) else { return }
        continued.finish(throwing: .closed("the peer closed the connection"))
        _ = try await within(Self.drainingLimit) { try await self.result.value() }
    }
}
