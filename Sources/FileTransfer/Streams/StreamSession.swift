// Wire/Stream.md: one stream, from the offer to the confirmation of both sides.
import Jingle
import Synchronization
import Transports
import XMPP

/// A stream that was offered or accepted in a session: joins it to this side's end until it is over.
///
/// Of a stream in one direction the end of the session with success is the only confirmation, for its receiver too, who
/// cannot tell otherwise whether what came was all.
struct StreamSession: Sendable {
    /// How often the peer is asked whether it is still there, while only its confirmation is missing.
    private static let inquiryInterval = Duration.seconds(20)
    /// How long another client's confirmation may take.
    private static let foreignConfirmationTimeout = Duration.seconds(60)

    private let service: TransferService
    private let session: JingleSessionHandle
    private let content: ContentID
    private let negotiation: TransportNegotiation
    private let role: JingleRole
    private let flow: StreamFlow
    private let target: StreamTarget.Reached
    private let report: @Sendable (TransferEvent) -> Void

    private let accepted = AsyncStream.makeStream(of: Void.self)
    private let stopped = AsyncStream.makeStream(of: Void.self)
    /// How many of our bytes the peer says its program has; `nil` when it only says that all is well.
    private let confirmed = Outcome<UInt64?>()
    private let disconnected = Outcome<Void>()
    private let isStopped = Flag()
    /// Whether the program here takes no more, and the peer was told.
    private let hasStopped = Flag()
    private let position = TransferPosition()

    init(
        service: TransferService, session: JingleSessionHandle, content: ContentID, negotiation: TransportNegotiation,
        role: JingleRole, flow: StreamFlow, target: StreamTarget.Reached,
        report: @escaping @Sendable (TransferEvent) -> Void
    ) {
        self.service = service
        self.session = session
        self.content = content
        self.negotiation = negotiation
        self.role = role
        self.flow = flow
        self.target = target
        self.report = report
    }

    /// Runs until both sides have confirmed what they received, or the session ends otherwise.
    func run() async throws -> StreamSummary {
        negotiation.begin(session)
        return try await withThrowingTaskGroup(of: StreamSummary?.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await follow()
                return nil
            }
            group.addTask { try await transfer() }
            for try await case let summary? in group { return summary }
            throw CancellationError()
        }
    }

    /// Follows the session's events until the peer is content, or until the stream to the server is over but the bytes
    /// have a path.
    private func follow() async throws {
        for await event in session.events {
            try await negotiation.take(event)
            switch event {
            case .accepted:
                report(.accepted(by: session.peer))
                accepted.continuation.yield()
            case .delivered(content, let byteCount):
                confirmed.settle(.success(byteCount))
            case .stopped(content):
                isStopped.set()
                stopped.continuation.yield()
            case .ended(.local):
                return
            case .ended where isStopped.isSet || hasStopped.isSet:
                // What has come is still being written; `copy` then says who took not everything.
                return
            case .ended(.peer(let reason)) where reason?.condition == .success && position.isConnected:
                confirmed.settle(.success(nil))
                return
            case .ended(.peer(let reason)) where reason?.condition == .success && flow == .incoming:
                // Libervia ends the session with its last byte, of a short stream before the path is known to be there.
                try await Task.sleep(for: TransferPosition.reasonTimeout)
                guard position.isConnected else {
                    throw TransferError.interrupted(byteCount: 0, "the sender sent nothing")
                }
                confirmed.settle(.success(nil))
                return
            case .ended(.peer(let reason))
            where reason?.condition == .cancel && role == .responder && !position.isConnected:
                throw TransferError.withdrawn(session.peer)
            case .ended(let end):
                throw TransferError(
                    end, peer: session.peer, byteCount: position.byteCount, isConnected: position.isConnected)
            default:
                break
            }
        }
        try Task.checkCancellation()
        guard position.isConnected else {
            throw TransferError.serverConnectionLost("it closed during the negotiation")
        }
        disconnected.settle(.success(()))
    }

    private var notTaken: TransferError {
        .interrupted(byteCount: position.byteCount, "the program there takes no more")
    }

    private func transfer() async throws -> StreamSummary {
        let (connection, stream) = try await negotiation.firstStream(
            of: content, in: session, as: role, accepted: accepted.stream, position: position)
        do {
            if let fingerprint = negotiation.peerFingerprint { try service.trust.confirm(session.peer, fingerprint) }
            report(.connected(connection.path, peer: session.peer, fingerprint: negotiation.peerFingerprint))
            let summary = try await copy(over: connection, stream)
            // The session first: its success is the peer's confirmation, if ours has not come to it.
            await session.terminate(Reason(.success))
            await connection.close()
            return summary
        } catch let error as ByteStreamError {
            await connection.close()
            throw try await position.interruption(by: error, peer: session.peer)
        } catch let error as LocalFileError {
            // Both directions have ended: the peer may still be reading.
            await session.terminate(Reason(ending: error))
            await connection.close()
            throw error
        } catch {
            // First the session, so that the peer learns the reason before its stream breaks off.
            await session.terminate(Reason(ending: error))
            await connection.close(code: StreamErrorCode(ending: error).rawValue)
            throw error
        }
    }

    // MARK: The bytes

    private func copy(over connection: any PeerConnection, _ stream: any ByteStream) async throws -> StreamSummary {
        let started = ContinuousClock.now
        let end = try StreamEnd(target, flow)
        defer { end.close() }
        let copy = StreamCopy(stream: stream, end: end, flow: flow) { notice in
            let reference = SessionInfo.ContentReference(content)
            // It fails when the session is over, of which `follow` tells the reason.
            switch notice {
            case .delivered(let byteCount): try? await session.sendInfo(.delivered(reference, byteCount: byteCount))
            case .stopped:
                hasStopped.set()
                try? await session.sendInfo(.stopped(reference))
            }
        } progress: {
            position.advance(to: $0)
        } isConfirmed: {
            // A peer that has everything may close before its carrier has said so.
            try await isConfirmed(within: TransferPosition.reasonTimeout)
        }
        let counts = try await copy.run(stopping: stopped.stream)
        if isStopped.isSet { throw notTaken }
        try await confirm(counts.sent)
        return StreamSummary(
            peer: session.peer, sentByteCount: counts.sent, receivedByteCount: counts.received,
            duration: .now - started, path: connection.path)
    }

    // MARK: The confirmation

    private func isConfirmed(within limit: Duration) async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                _ = try await confirmed.value()
                return true
            }
            group.addTask {
                try await Task.sleep(for: limit)
                return false
            }
            return try await group.next() ?? false
        }
    }

    /// Waits until the program there has all we sent, however slow it is, for as long as the peer is there; or until
    /// another client says that this was all, for a time.
    private func confirm(_ byteCount: UInt64) async throws {
        let confirmedByteCount = try await withThrowingTaskGroup(of: UInt64?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await confirmed.value() }
            group.addTask {
                try await disconnected.value()
                throw unconfirmed("the connection to the XMPP server was lost before the peer could confirm")
            }
            if flow != .both {
                group.addTask {
                    try await Task.sleep(for: Self.foreignConfirmationTimeout)
                    throw unconfirmed(
                        flow == .incoming
                            ? "the sender did not say that this was all"
                            : "the peer did not confirm that it has everything")
                }
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.inquiryInterval)
                    do {
                        try await service.client.request(
                            .get, to: session.peer, payload: Ping.request, timeout: Self.inquiryInterval)
                    } catch is StanzaError {
                        throw unconfirmed("the peer was gone before it could confirm that it has everything")
                    } catch StanzaChannelError.timedOut {
                        throw unconfirmed("the peer did not confirm that it has everything")
                    }
                }
            }
            guard let count = try await group.next() else { throw CancellationError() }
            return count
        }
        guard confirmedByteCount == nil || confirmedByteCount == byteCount else {
            throw TransferError.protocolViolation("it confirms another number of bytes than were sent")
        }
    }

    private func unconfirmed(_ why: String) -> TransferError {
        .interrupted(byteCount: position.byteCount, why)
    }
}

/// Something that happens once.
private final class Flag: Sendable {
    private let state = Mutex(false)

    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}
