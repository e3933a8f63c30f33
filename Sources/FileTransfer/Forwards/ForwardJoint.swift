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

    /// Runs the sessions, one after the other, beside the body, which goes through them all. When no session follows, what has
    /// come is still written, and all streams end.
    ///
    /// - Returns: whether the body has returned; otherwise the peer has ended the session before.
    /// - Throws: what `sessions` throws.
    func run(_ sessions: @escaping @Sendable () async throws -> Void) async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                await self.runBody()
                return false
            }
            group.addTask {
                defer { self.endStreams() }
                do {
                    try await sessions()
                } catch let error where !(error is CancellationError) {
                    try await self.drain()
                    throw error
                }
                try await self.drain()
                return true
            }
            while try await group.next() == false {}
        }
        if case .success(.success)? = result.current { return true }
        return false
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
            group.addTask {
                do {
                    try await self.result.value().get()
                } catch let error as ByteStreamError where continued != nil && error.isLoss {
                    // It is the stream that is gone, not what carries it: another session would not help.
                    throw TransferError.peerFailed("it ended a stream that was still needed")
                }
            }
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

    /// Ends the streams, and returns when what has come is written.
    ///
    /// - Throws: `CancellationError`.
    private func drain() async throws {
        guard endStreams() else { return }
        _ = try await within(Self.drainingLimit) { try await self.result.value() }
    }

    /// Ends the streams that could go on in another session, if there are such.
    @discardableResult
    private func endStreams() -> Bool {
        guard let continued = continued.withLock({ $0 }) else { return false }
        continued.finish(throwing: .closed("the session is over"))
        return true
    }
}
