// XEP-0234 § 4 and § 8: one file on its way in, from the acceptance to the verified file.
import Client
import Jingle
import SecureChannels
import Transports
import XMPP

/// A file that was offered in a session and is now received.
struct IncomingFile: Sendable {
    /// How long the sender may take to tell the digest after the last byte, and when it has not said that it will.
    private static let checksumTimeout = Duration.seconds(30)
    private static let unannouncedChecksumTimeout = Duration.seconds(1)
    /// How long no byte may come over a connection that lives.
    private static let stallTimeout = Duration.seconds(300)

    private let service: TransferService
    private let session: JingleSessionHandle
    private let content: Content
    private let file: FileDescription
    private let remote: ContentTransport
    private let folder: DestinationFolder
    private let existing: ExistingFile
    private let record: TransferRecord
    private let report: @Sendable (TransferEvent) -> Void

    private let expected: ExpectedDigest
    /// The digest the sender tells; `nil` when it has ended the session, so that none will come.
    private let checksum = AsyncStream.makeStream(of: [UInt8]?.self)
    private let disconnected = AsyncStream.makeStream(of: Void.self)
    private let position = TransferPosition()
    private var offerer: JID { session.peer }

    /// Picks the file out of an offer.
    ///
    /// - Throws: `TransferError.peerUnable` when nothing in it can be received.
    init(
        service: TransferService, offer: JingleHost.Offer, folder: DestinationFolder, existing: ExistingFile,
        record: TransferRecord, report: @escaping @Sendable (TransferEvent) -> Void
    ) throws {
        self.service = service
        session = offer.session
        self.folder = folder
        self.existing = existing
        self.record = record
        self.report = report
        for content in offer.contents where content.direction == .initiator {
            guard let file = content.file, let remote = content.transport else { continue }
            self.content = content
            self.file = file
            expected = ExpectedDigest(file)
            self.remote = remote
            return
        }
        throw TransferError.peerUnable(offer.session.peer, "it offers no transport that sleigh knows")
    }

    /// Whether this is the file that was accepted; a peer must not offer one and send another. Libervia proposes a file
    /// without a word about it.
    func isFile(named name: String, byteCount: UInt64?) -> Bool {
        (name.isEmpty || file.name == name) && (byteCount == nil || file.size == byteCount)
    }

    /// Runs until the file is stored, or the session ends otherwise.
    ///
    /// - Parameter prepared: an ICE-QUIC transport that was started before the offer was there.
    func run(_ prepared: ICEQUICTransport?) async throws -> (TransferSummary, ReceivedFile) {
        let abilities = service.abilities(offering: remote)
        let negotiation = try await service.negotiation(
            answering: remote, of: content.id, for: .file, from: offerer, abilities, prepared: prepared)
        defer { negotiation.close() }
        try service.check(offerer, negotiation.peerFingerprint, abilities)
        try record.check(file, negotiation.peerFingerprint, from: offerer)
        let sink = try await folder.receive(
            FileOffer(
                sender: offerer.bare.description, name: file.name ?? "", byteCount: file.size,
                date: file.date.map { String($0.unixSeconds) }),
            existing: existing, algorithm: expected.algorithm, blocks: service.blocks)
        do {
            return try await withThrowingTaskGroup(of: (TransferSummary, ReceivedFile)?.self) { group in
                defer { group.cancelAll() }
                group.addTask {
                    await negotiation.run()
                    return nil
                }
                // Without a digest nobody would notice that what is there belongs to another file.
                let offset = file.range == nil || !expected.isAnnounced ? 0 : sink.offset
                try sink.begin(at: offset)
                try await accept(negotiation, abilities, from: offset)
                group.addTask {
                    try await follow(negotiation)
                    return nil
                }
                group.addTask { try await transfer(over: negotiation, into: sink) }
                for try await case let result? in group { return result }
                throw CancellationError()
            }
        } catch {
            await sink.abort()
            throw error
        }
    }

    private func accept(
        _ negotiation: TransportNegotiation, _ abilities: TransferService.PeerAbilities, from offset: UInt64
    ) async throws {
        var file = self.file
        file.hashes = []
        file.range = offset > 0 ? FileDescription.Range(offset: offset) : nil
        let offered = Content(content.id, senders: .initiator, description: .fileTransfer(file))
        try await session.accept([await service.answer(offered, abilities, negotiation)])
        negotiation.begin(session)
        report(.accepted(by: service.client.address))
    }

    /// Follows the session's events until it ends, or until the stream to the server is over but the bytes are on their
    /// way.
    private func follow(_ negotiation: TransportNegotiation) async throws {
        for await event in session.events {
            try await negotiation.take(event)
            switch event {
            case .checksum(content.id, let file):
                if let value = expected.value(in: file) { checksum.continuation.yield(value) }
            case .ended(.local):
                return
            case .ended(.peer(let reason)) where reason?.condition == .success:
                checksum.continuation.yield(nil)
                // Dino ends the session with its last byte, of a small file before the path is known to be there. Whether
                // all bytes come, the stream shows.
                if !position.isConnected { try await Task.sleep(for: TransferPosition.reasonTimeout) }
                guard position.isConnected else {
                    throw TransferError.interrupted(byteCount: 0, "the sender sent nothing")
                }
                return
            case .ended(.peer(let reason)) where reason?.condition == .cancel && position.byteCount == 0:
                throw TransferError.withdrawn(offerer)
            case .ended(let end):
                throw await negotiation.cause(of: end, peer: offerer, position)
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

    private func transfer(
        over negotiation: TransportNegotiation, into sink: FileSink
    ) async throws -> (TransferSummary, ReceivedFile) {
        let (connection, name, stream): AcceptedStream
        do {
            (connection, name, stream) = try await negotiation.acceptStream()
        } catch let error as ByteStreamError {
            throw try await position.interruption(by: error, peer: offerer)
        }
        position.connect()
        do {
            guard name == content.id.name else {
                stream.reset(code: StreamErrorCode.notAsNegotiated.rawValue)
                throw TransferError.protocolViolation("the peer opened a stream for another content")
            }
            if let fingerprint = negotiation.peerFingerprint { try service.trust.confirm(offerer, fingerprint) }
            report(.connected(connection.path, peer: offerer, fingerprint: negotiation.peerFingerprint))
            if sink.offset > 0 { report(.resumed(atByte: Int64(sink.offset))) }
            record.connect(session.id, negotiation.peerFingerprint, connection.path, from: sink.offset)
            let result = try await receive(stream, over: connection, into: sink)
            // The file is there; the sender takes either of these as the confirmation.
            try? await session.sendInfo(.received(SessionInfo.ContentReference(content.id)))
            // Another client may take the end of the connection for a failure, if it does not know of the session's.
            guard connection.path.isEndToEndEncrypted else {
                await session.terminate(Reason(.success))
                await connection.close()
                return result
            }
            async let end: Void = session.terminate(Reason(.success))
            await connection.close()
            await end
            return result
        } catch let error as ByteStreamError {
            await connection.close()
            throw try await position.interruption(by: error, peer: offerer)
        } catch {
            // First the session, so that the peer learns the reason before its stream breaks off.
            await session.terminate(Reason(ending: error))
            await connection.close(code: StreamErrorCode(ending: error).rawValue)
            throw error
        }
    }

    private func receive(
        _ stream: any ByteStream, over connection: any PeerConnection, into sink: FileSink
    ) async throws -> (TransferSummary, ReceivedFile) {
        try await copy(stream, of: connection, into: sink)
        report(.verifying)
        let digest = try await sink.digest()
        let told = try await expectedDigest(over: connection)
        guard told != nil || file.size != nil else {
            throw TransferError.interrupted(
                byteCount: position.byteCount, "the sender tells neither size nor checksum, so the end may be missing")
        }
        let received = try await sink.finish(expecting: told)
        let summary = record.summary(
            name: received.name, peer: offerer, byteCount: received.byteCount, sha256: hexadecimal(digest),
            isVerified: received.isVerified, path: connection.path)
        return (summary, received)
    }

    /// Copies to the end of the stream.
    private func copy(
        _ stream: any ByteStream, of connection: any PeerConnection, into sink: FileSink
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                position.startWaiting()
                while !isComplete(sink, over: connection), let block = try await stream.read() {
                    position.stopWaiting()
                    record.begin(at: .now)
                    try await sink.write(block)
                    let count = Int64(sink.offset)
                    position.advance(to: count)
                    report(.progress(byteCount: count, connection.path))
                    position.startWaiting()
                }
                position.stopWaiting()
                if !connection.path.isEndToEndEncrypted, let size = file.size, sink.offset < size {
                    throw TransferError.interrupted(
                        byteCount: position.byteCount, "the sender closed the connection before the end of the file")
                }
                record.begin(at: .now)
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.stallTimeout / 10)
                    guard position.waitingTime < Self.stallTimeout else { break }
                }
                throw TransferError.interrupted(
                    byteCount: position.byteCount, "the sender is connected but sends no more")
            }
            try await group.next()
        }
    }

    /// Whether the last byte is there. A client that is no sleigh may leave the stream open behind it.
    private func isComplete(_ sink: FileSink, over connection: any PeerConnection) -> Bool {
        !connection.path.isEndToEndEncrypted && sink.offset == file.size
    }

    /// The digest the sender tells, which it does right after the last byte; `nil` when a client that is no sleigh tells
    /// none.
    private func expectedDigest(over connection: any PeerConnection) async throws -> [UInt8]? {
        if let value = expected.value { return value }
        let limit = expected.isAnnounced ? Self.checksumTimeout : Self.unannouncedChecksumTimeout
        return try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            defer { group.cancelAll() }
            group.addTask { await checksum.stream.first { _ in true } ?? nil }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            group.addTask {
                for await _ in disconnected.stream where connection.path.isEndToEndEncrypted {
                    throw TransferError.interrupted(
                        byteCount: position.byteCount,
                        "the connection to the XMPP server was lost before the sender could tell the checksum")
                }
                return nil
            }
            if let digest = try await group.next() ?? nil { return digest }
            try Task.checkCancellation()
            guard connection.path.isEndToEndEncrypted else { return nil }
            throw TransferError.interrupted(
                byteCount: position.byteCount, "the sender did not tell the file's checksum")
        }
    }
}
