// Wire/Forward.md: one session with any number of connections, from the offer to its end.
import Jingle
import Transports
import XMPP

/// A session that was offered or accepted: finds the way, and runs until somebody ends it or the way is lost.
struct ForwardSession: Sendable {
    /// How long what has come may take to be written once the connection is over.
    private static let drainingLimit = Duration.seconds(10)

    let service: TransferService
    let session: JingleSessionHandle
    let content: ContentID
    let negotiation: TransportNegotiation
    let role: JingleRole
    let report: @Sendable (TransferEvent) -> Void

    private let accepted = AsyncStream.makeStream(of: Void.self)
    private let position = TransferPosition()

    init(
        service: TransferService, session: JingleSessionHandle, content: ContentID,
        negotiation: TransportNegotiation, role: JingleRole, report: @escaping @Sendable (TransferEvent) -> Void
    ) {
        self.service = service
        self.session = session
        self.content = content
        self.negotiation = negotiation
        self.role = role
        self.report = report
    }

    private enum Step: Sendable {
        /// The stream to the server is over; the connections go on.
        case unfollowed
        /// The peer has ended the session.
        case endedByPeer
        case done
    }

    /// Runs `body` on the connection, until it returns or the peer ends the session.
    ///
    /// - Throws: `TransferError`, what `body` throws, `CancellationError`; the peer is told.
    func run(_ body: @escaping @Sendable (ForwardLink) async throws -> Void) async throws {
        negotiation.begin(session)
        try await withThrowingTaskGroup(of: Step.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await follow() }
            group.addTask {
                try await forward(body)
                return .done
            }
            var isEndedByPeer = false
            do {
                while let step = try await group.next() {
                    switch step {
                    case .unfollowed: continue
                    case .done: return
                    case .endedByPeer:
                        // The peer closes the connection too; what has come is written meanwhile.
                        isEndedByPeer = true
                        group.addTask {
                            try await Task.sleep(for: Self.drainingLimit)
                            return .done
                        }
                    }
                }
            } catch let error where isEndedByPeer && !(error is CancellationError) {
                return
            }
        }
    }

    /// Follows the session's events until it ends, or until the stream to the server is over but the connections have a way.
    private func follow() async throws -> Step {
        for await event in session.events {
            try await negotiation.take(event)
            switch event {
            case .accepted:
                report(.accepted(by: session.peer))
                accepted.continuation.yield()
            case .ended(.local):
                return .unfollowed
            case .ended(.peer(let reason)) where reason?.condition == .success && position.isConnected:
                return .endedByPeer
            case .ended(.peer(let reason))
            where reason?.condition == .cancel && role == .responder && !position.isConnected:
                throw TransferError.withdrawn(session.peer)
            case .ended(let end):
                throw TransferError(end, peer: session.peer, byteCount: 0, isConnected: position.isConnected)
            default: break
            }
        }
        try Task.checkCancellation()
        guard position.isConnected else {
            throw TransferError.serverConnectionLost("it closed during the negotiation")
        }
        return .unfollowed
    }

    // MARK: The path

    private func forward(_ body: @escaping @Sendable (ForwardLink) async throws -> Void) async throws {
        let (base, first) = try await negotiation.firstStream(
            of: content, in: session, as: role, accepted: accepted.stream, position: position)
        do {
            if let fingerprint = negotiation.peerFingerprint { try service.trust.confirm(session.peer, fingerprint) }
            report(.connected(base.path, peer: session.peer, fingerprint: negotiation.peerFingerprint))
            try await withThrowingTaskGroup(of: Part.self) { group in
                defer { group.cancelAll() }
                let connection = try await connection(over: base, first, &group)
                let link = ForwardLink(
                    connection: connection, contentName: content.name, peer: session.peer, blocks: service.blocks)
                group.addTask {
                    try await body(link)
                    return .body
                }
                group.addTask {
                    try await connection.waitUntilClosed()
                    // What has come is still being written.
                    try await Task.sleep(for: Self.drainingLimit)
                    throw ByteStreamError.closed("the peer closed the connection")
                }
                do {
                    while let part = try await group.next(), part != .body {}
                } catch {
                    await end(connection, with: error)
                    throw error
                }
                await end(connection, with: nil)
            }
        } catch let error as ByteStreamError {
            throw try await position.interruption(by: error, peer: session.peer)
        }
    }

    private enum Part: Sendable {
        case body
        case carrier
    }

    /// Streams of the connection's own, or many in its first.
    private func connection(
        over base: any PeerConnection, _ first: any ByteStream, _ group: inout ThrowingTaskGroup<Part, any Error>
    ) async throws -> any PeerConnection {
        guard !base.carriesManyStreams else { return base }
        let connection = try await MultiplexedConnection.over(
            base, stream: first, role: role == .initiator ? .client : .server)
        group.addTask {
            await connection.run()
            return .carrier
        }
        return connection
    }

    private func end(_ connection: any PeerConnection, with error: (any Error)?) async {
        // A forward is ended by interrupting it: that is no failure.
        let isFine = error == nil || error is CancellationError
        // In a task of its own, since this one may be cancelled: the peer is to learn it.
        await Task {
            await session.terminate(error.map { isFine ? Reason(.success) : Reason(ending: $0) } ?? Reason(.success))
            await connection.close(
                code: isFine || error is ByteStreamError ? 0 : StreamErrorCode.notAsNegotiated.rawValue)
        }.value
    }
}
