// XEP-0234 § 4 and § 8: one file on its way out, from the offer to the receiver's confirmation.
import Jingle
import SecureChannels
import Transports
import XMPP

/// A file that was offered in a session: waits for its acceptance, sends it, and waits for its confirmation.
struct OutgoingFile: Sendable {
    /// How long the people there may think about it.
    static let answerTimeout = Duration.seconds(180)
    /// How long a device may take to go on with what it has accepted before.
    static let continuationTimeout = Duration.seconds(30)
    /// How long the receiver's word may take once it has closed the connection.
    private static let confirmationTimeout = Duration.seconds(10)
    /// How long a client that is no sleigh may take to say that it has the file; some never do.
    private static let foreignConfirmationTimeout = Duration.seconds(120)
    /// How often it is told how much has arrived.
    private static let progressInterval = Duration.milliseconds(100)

    let service: TransferService
    let session: JingleSessionHandle
    let content: ContentID
    let peer: TransferService.PeerAbilities
    let negotiation: TransportNegotiation
    let source: FileSource
    let record: TransferRecord
    let report: @Sendable (TransferEvent) -> Void

    private let accepted = AsyncStream.makeStream(of: FileDescription.Range.self)
    private let confirmed = AsyncStream.makeStream(of: Void.self)
    private let disconnected = AsyncStream.makeStream(of: Void.self)
    private let position = TransferPosition()

    init(
        service: TransferService, offered: OutgoingSession.Offered, source: FileSource, record: TransferRecord,
        report: @escaping @Sendable (TransferEvent) -> Void
    ) {
        self.service = service
        session = offered.session
        content = offered.content
        peer = offered.peer
        negotiation = offered.negotiation
        self.source = source
        self.record = record
        self.report = report
    }

    /// Runs until the file is confirmed, or the session ends otherwise.
    func run() async throws -> TransferSummary {
        negotiation.begin(session)
        return try await withThrowingTaskGroup(of: TransferSummary?.self) { group in
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

    /// Follows the session's events; returns when the peer has confirmed the file, or when the stream to the server is
    /// over but the bytes are on their way.
    private func follow() async throws {
        for await event in session.events {
            try await negotiation.take(event)
            switch event {
            case .accepted(let contents):
                report(.accepted(by: session.peer))
                let answer = contents.first { $0.id == content }?.file
                accepted.continuation.yield(answer?.range ?? FileDescription.Range())
            case .received(content):
                confirmed.continuation.yield()
            case .ended(.peer(let reason)) where reason?.condition == .success && position.isConnected:
                // Perhaps before our last write has returned. That it was the last one is for `transfer` to see.
                confirmed.continuation.yield()
                return
            case .ended(.peer(nil)) where position.isAllSent:
                throw TransferError.interrupted(byteCount: position.byteCount, Self.unconfirmed)
            case .ended(.local):
                return
            case .ended(let end):
                throw await negotiation.cause(of: end, peer: session.peer, position)
            default:
                break
            }
        }
        try Task.checkCancellation()
        guard position.isConnected else {
            throw TransferError.serverConnectionLost("it closed during the negotiation")
        }
        disconnected.continuation.yield()
    }

    /// Waits for the peer's acceptance, and returns what it wants of the file.
    private func acceptance() async throws -> FileDescription.Range {
        let range = try await negotiation.answeringProposals {
            try await accepted.stream.first(
                within: record.isContinuing ? Self.continuationTimeout : Self.answerTimeout)
        }
        guard let range else { throw TransferError.notAnswered(session.peer, peer.caveat) }
        return range
    }

    private func transfer() async throws -> TransferSummary {
        let range = try await acceptance()
        guard range.offset <= source.byteCount else {
            throw TransferError.protocolViolation("the peer asks for what lies behind the end of the file")
        }
        let connection = try await negotiation.connect()
        position.connect()
        do {
            return try await send(range, over: connection)
        } catch let error as ByteStreamError {
            await connection.close()
            throw try await position.interruption(by: error, peer: session.peer)
        } catch {
            // First the session, so that the peer learns the reason before its stream breaks off.
            await session.terminate(Reason(ending: error))
            await connection.close(code: StreamErrorCode(ending: error).rawValue)
            throw error
        }
    }

    private func send(
        _ range: FileDescription.Range, over connection: any PeerConnection
    ) async throws -> TransferSummary {
        if let fingerprint = negotiation.peerFingerprint { try service.trust.confirm(session.peer, fingerprint) }
        report(.connected(connection.path, peer: session.peer, fingerprint: negotiation.peerFingerprint))
        if range.offset > 0 { report(.resumed(atByte: Int64(range.offset))) }
        record.connect(session.id, negotiation.peerFingerprint, connection.path, from: range.offset)
        record.begin(at: .now)
        let digest = try await copy(range, over: connection)
        // What another client does before it confirms the file, if anything, is not known.
        let delivered = ContinuousClock.now
        report(.verifying)
        try await confirm(digest, over: connection)
        let isConfirmedBySleigh = connection.path.isEndToEndEncrypted
        let summary = record.summary(
            name: source.name, peer: session.peer, byteCount: source.byteCount,
            end: isConfirmedBySleigh ? .now : delivered, sha256: hexadecimal(digest), isVerified: isConfirmedBySleigh,
            path: connection.path)
        // The receiver has what it wants, and ends both by itself.
        await connection.leave()
        await session.leave(Reason(.success))
        return summary
    }

    /// Sends the range and returns the whole file's digest, once the peer's carrier has everything.
    private func copy(
        _ range: FileDescription.Range, over connection: any PeerConnection
    ) async throws -> [UInt8] {
        let reading = try source.read(from: range.offset, byteCount: range.length, blocks: service.blocks)
        defer { reading.cancel() }
        let stream = try await connection.openStream(contentName: content.name)
        position.begin(at: Int64(range.offset))
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                while let block = try await reading.next() {
                    try await stream.write(block)
                    position.noteWritten(Int64(block.count))
                }
                position.finish()
                do {
                    try await stream.finish()
                } catch  where error is ByteStreamError && !connection.path.isEndToEndEncrypted {
                    // Whoever has as many bytes as were announced may close first; whether it has them, the session tells.
                }
            }
            // On a slow path what is written and not acknowledged may be much of the file.
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.progressInterval)
                    // A block that is being written may count among the latter alone.
                    let arrived = position.writtenByteCount - Int64(stream.unacknowledgedByteCount)
                    position.advance(to: max(arrived, position.byteCount))
                    report(.progress(byteCount: position.byteCount, connection.path))
                }
            }
            try await group.next()
        }
        position.advance(to: position.writtenByteCount)
        report(.progress(byteCount: position.byteCount, connection.path))
        return try await reading.digest()
    }

    /// Tells the digest (§ 8.1) and waits for the receiver to have verified and stored the file, however long its disk
    /// takes, for as long as it is there.
    private func confirm(_ digest: [UInt8], over connection: any PeerConnection) async throws {
        var file = FileDescription()
        if let hash = Hash(.sha256, value: digest) {
            if peer.isLibervia { file.extensions = [hash.liberviaElement] } else { file.hashes = [hash] }
        }
        // It fails when the session is over, of which `follow` tells the reason.
        try? await session.sendInfo(.checksum(SessionInfo.ContentReference(content), file))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask { await confirmed.stream.first { true } != nil }
            group.addTask {
                try await connection.waitUntilClosed()
                // The receiver closes the connection when it is done; its word may still be on the way.
                try await Task.sleep(for: Self.confirmationTimeout)
                return false
            }
            if !connection.path.isEndToEndEncrypted {
                group.addTask {
                    try await Task.sleep(for: Self.foreignConfirmationTimeout)
                    return false
                }
            }
            group.addTask {
                for await _ in disconnected.stream {
                    throw TransferError.interrupted(
                        byteCount: position.byteCount,
                        "the connection to the XMPP server was lost before the receiver could confirm the file")
                }
                return false
            }
            if try await group.next() == true { return }
            try Task.checkCancellation()
            throw TransferError.interrupted(byteCount: position.byteCount, Self.unconfirmed)
        }
    }

    private static let unconfirmed = "the receiver did not confirm that it has the file"
}
