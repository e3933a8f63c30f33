// Wire/Stream.md: one stream, from the offer to the confirmation of both sides.
import Jingle
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
    private let joint: StreamJoint
    private let record: TransferRecord
    private let report: @Sendable (TransferEvent) -> Void

    private let accepted = AsyncStream.makeStream(of: Void.self)
    private let disconnected = Outcome<Void>()
    private let isContinuable: Flag
    private let isOver = Flag()
    private let isEndedWithSuccess = Flag()
    private var position: TransferPosition { joint.position }

    /// - Parameters:
    ///   - isContinuable: whether a peer that has offered the session can go on in another; one that accepts it says so then.
    ///   - joint: what outlives this session.
    init(
        service: TransferService, session: JingleSessionHandle, content: ContentID, negotiation: TransportNegotiation,
        role: JingleRole, flow: StreamFlow, target: StreamTarget.Reached, isContinuable: Bool = false,
        joint: StreamJoint, record: TransferRecord, report: @escaping @Sendable (TransferEvent) -> Void
    ) {
        self.service = service
        self.session = session
        self.content = content
        self.negotiation = negotiation
        self.role = role
        self.flow = flow
        self.target = target
        self.isContinuable = Flag(isContinuable)
        self.joint = joint
        self.record = record
        self.report = report
    }

    /// Runs until both sides have confirmed what they received, or the session ends otherwise.
    func run() async throws -> StreamSummary {
        negotiation.begin(session)
        defer { joint.leave() }
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
            case .accepted(let contents):
                report(.accepted(by: session.peer))
                if contents.first(where: { $0.id == content })?.continuation != nil { isContinuable.set() }
                accepted.continuation.yield()
            case .delivered(content, let byteCount):
                joint.confirm(byteCount)
            case .stopped(content):
                joint.stop()
            case .ended(.local):
                return
            case .ended(let end) where (joint.isStopped || joint.hasStopped) && !(end.isLoss && isContinuable.isSet):
                isOver.set()
                // What has come is still being written; `copy` then says who took not everything.
                return
            case .ended(.peer(let reason)) where reason?.condition == .success && position.isConnected:
                isEndedWithSuccess.set()
                joint.confirm(nil)
                return
            case .ended(.peer(let reason)) where reason?.condition == .success && flow == .incoming:
                // Libervia ends the session with its last byte, of a short stream before the path is known to be there.
                try await Task.sleep(for: TransferPosition.reasonTimeout)
                guard position.isConnected else {
                    throw TransferError.interrupted(byteCount: 0, "the sender sent nothing")
                }
                joint.confirm(nil)
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
            of: content, in: session, as: role, accepted: accepted.stream,
            within: record.isContinuing ? OutgoingFile.continuationTimeout : OutgoingFile.answerTimeout,
            position: position)
        do {
            if let fingerprint = negotiation.peerFingerprint { try service.trust.confirm(session.peer, fingerprint) }
            try record.check(negotiation.peerFingerprint, from: session.peer)
            if record.isContinuing, !isContinuable.isSet {
                throw TransferError.protocolViolation("it does not go on with the stream")
            }
            report(.connected(connection.path, peer: session.peer, fingerprint: negotiation.peerFingerprint))
            if record.isContinuing { report(.resumed(atByte: position.byteCount)) }
            record.connect(
                session.id, isContinuable.isSet ? negotiation.peerFingerprint : nil, connection.path, from: 0)
            record.begin(at: .now)
            let summary = try await carry(stream, of: connection)
            // The session first: its success is the peer's confirmation, if ours has not come to it.
            await session.terminate(Reason(.success))
            await connection.close()
            return summary
        } catch let loss as CarrierLoss {
            await connection.close()
            if isOver.isSet { throw notTaken }
            if isEndedWithSuccess.isSet {
                throw unconfirmed("the peer ended the session before everything had arrived")
            }
            throw TransferError(loss.error, peer: session.peer, byteCount: position.byteCount)
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

    /// A carrier is gone, of which the end of the session has not said more in time.
    private struct CarrierLoss: Error { var error: ByteStreamError }

    private enum Step: Sendable {
        case carried(ByteStreamError?)
        case copied(Result<StreamSummary, any Error>)
        case late
    }

    /// Carries the bytes until all are confirmed. The copying goes on when the carrier is lost.
    private func carry(_ stream: any ByteStream, of connection: any PeerConnection) async throws -> StreamSummary {
        let continued = await joint.enter(
            session, content, stream, target: target, flow: flow, isContinuable: isContinuable.isSet,
            blocks: service.blocks)
        return try await withThrowingTaskGroup(of: Step.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do {
                    return .copied(.success(try await complete(connection)))
                } catch let error where !(error is CancellationError) {
                    return .copied(.failure(error))
                }
            }
            if let continued {
                group.addTask {
                    do {
                        try await continued.carry(over: stream)
                        return .carried(nil)
                    } catch let error as ByteStreamError {
                        return .carried(error)
                    } catch let error as StreamFrameError {
                        throw TransferError.protocolViolation("the peer sent \(error.what)")
                    }
                }
            }
            var isCarried = continued == nil
            var result: Result<StreamSummary, any Error>?
            while let step = try await group.next() {
                switch step {
                case .copied(let copied):
                    result = copied
                    // What it takes for the peer to know that all has arrived is still on its way.
                    group.addTask {
                        try await Task.sleep(for: TransferPosition.reasonTimeout)
                        return .late
                    }
                case .carried(let error):
                    isCarried = true
                    guard let error, result == nil else { break }
                    // The end of the session, which tells why, may still be on the way.
                    var limit = TransferPosition.reasonTimeout
                    if case .pathLost = error { limit = .zero }
                    guard try await joint.isOver(within: limit) else { throw CarrierLoss(error: error) }
                case .late: isCarried = true
                }
                if let result, isCarried { return try result.get() }
            }
            throw CancellationError()
        }
    }

    /// Waits for the end of both directions, and for the peer's confirmation.
    private func complete(_ connection: any PeerConnection) async throws -> StreamSummary {
        let counts = try await joint.counts()
        if joint.isStopped { throw notTaken }
        try await confirm(counts.sent)
        return record.summary(
            peer: session.peer, sentByteCount: counts.sent, receivedByteCount: counts.received,
            path: connection.path)
    }

    // MARK: The confirmation

    /// Waits until the program there has all we sent, however slow it is, for as long as the peer is there; or until
    /// another client says that this was all, for a time.
    private func confirm(_ byteCount: UInt64) async throws {
        let confirmedByteCount = try await withThrowingTaskGroup(of: UInt64?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await joint.confirmed.value() }
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

extension JingleSessionEnd {
    /// Whether the peer has lost the path.
    fileprivate var isLoss: Bool {
        if case .peer(let reason) = self { reason?.condition == .connectivityError } else { false }
    }
}
