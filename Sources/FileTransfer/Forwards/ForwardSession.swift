// Wire/Forward.md: one session with any number of connections, from the offer to its end.
import Jingle
import Transports
import XMPP

/// A session that was offered or accepted: finds the way, and runs until somebody ends it or the way is lost.
struct ForwardSession: Sendable {
    private let service: TransferService
    private let session: JingleSessionHandle
    private let content: ContentID
    private let negotiation: TransportNegotiation
    private let role: JingleRole
    private let joint: ForwardJoint
    private let record: TransferRecord
    private let report: @Sendable (TransferEvent) -> Void

    private let accepted = AsyncStream.makeStream(of: Void.self)
    private let position = TransferPosition()
    private let isContinuable: Flag

    /// - Parameters:
    ///   - isContinuable: whether a peer that has offered the session can go on in another; one that accepts it says so then.
    ///   - joint: what outlives this session.
    init(
        service: TransferService, session: JingleSessionHandle, content: ContentID,
        negotiation: TransportNegotiation, role: JingleRole, isContinuable: Bool = false, joint: ForwardJoint,
        record: TransferRecord, report: @escaping @Sendable (TransferEvent) -> Void
    ) {
        self.service = service
        self.session = session
        self.content = content
        self.negotiation = negotiation
        self.role = role
        self.isContinuable = Flag(isContinuable)
        self.joint = joint
        self.record = record
        self.report = report
    }

    private enum Step: Sendable {
        /// The stream to the server is over; the connections go on.
        case unfollowed
        /// The peer has ended the session.
        case endedByPeer
        case done
    }

    /// Runs what is done with the streams on the connection, until that returns or the peer ends the session.
    ///
    /// - Throws: `TransferError`, what is thrown on the connection, `CancellationError`; the peer is told.
    func run() async throws {
        negotiation.begin(session)
        try await withThrowingTaskGroup(of: Step.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await follow() }
            group.addTask {
                try await forward()
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
                            try await Task.sleep(for: ForwardJoint.drainingLimit)
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
            case .accepted(let contents):
                report(.accepted(by: session.peer))
                if contents.first(where: { $0.id == content })?.continuation != nil { isContinuable.set() }
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

    private func forward() async throws {
        let (base, first) = try await negotiation.firstStream(
            of: content, in: session, as: role, accepted: accepted.stream,
            within: record.isContinuing ? OutgoingFile.continuationTimeout : OutgoingFile.answerTimeout,
            position: position)
        do {
            if let fingerprint = negotiation.peerFingerprint { try service.trust.confirm(session.peer, fingerprint) }
            try record.check(negotiation.peerFingerprint, from: session.peer)
            if record.isContinuing, !isContinuable.isSet {
                throw TransferError.protocolViolation("it does not go on with the connections")
            }
            report(.connected(base.path, peer: session.peer, fingerprint: negotiation.peerFingerprint))
            if record.isContinuing { report(.resumed(atByte: joint.progress)) }
            record.connect(session.id, isContinuable.isSet ? negotiation.peerFingerprint : nil, base.path, from: 0)
            try await withThrowingTaskGroup(of: Part.self) { group in
                defer { group.cancelAll() }
                let connection = try await connection(over: base, first, &group)
                group.addTask {
                    try await joint.run(
                        over: connection, content.name, to: session.peer, isContinuable: isContinuable.isSet,
                        blocks: service.blocks)
                    return .joint
                }
                do {
                    while let part = try await group.next(), part != .joint {}
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
        case joint
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
        // In a task of its own, since this one may be cancelled: the peer is to learn it.
        await Task {
            switch error {
            case nil, is CancellationError:
                // A forward is ended by interrupting it: that is no failure.
                await session.terminate(Reason(.success))
                await connection.close()
            case is ByteStreamError:
                // Why the session ends is known only when its end by the peer has had time to come.
                await connection.close()
            case let error?:
                await session.terminate(Reason(ending: error))
                await connection.close(code: StreamErrorCode.notAsNegotiated.rawValue)
            }
        }.value
    }
}
