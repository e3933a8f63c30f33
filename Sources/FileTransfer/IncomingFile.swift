// XEP-0234 § 4 and § 8: one file on its way in, from the acceptance to the verified file.
import Client
import Jingle
import SecureChannels
import Transports
import XMPP

/// A file that was offered in a session and is now received.
struct IncomingFile: Sendable {
    /// How long the sender may take to tell the digest after the last byte.
    private static let checksumTimeout = Duration.seconds(30)

    private let service: TransferService
    private let session: JingleSessionHandle
    private let content: Content
    private let file: FileDescription
    private let remote: ICEQUICTransportDescription
    private let folder: DestinationFolder
    private let existing: ExistingFile
    private let started: ContinuousClock.Instant
    private let report: @Sendable (TransferEvent) -> Void

    private let checksum = AsyncStream.makeStream(of: [UInt8].self)
    private let position = TransferPosition()
    private var offerer: JID { session.peer }

    /// Picks the file out of an offer.
    ///
    /// - Throws: `TransferError.peerUnable` when nothing in it can be received.
    init(
        service: TransferService, offer: JingleHost.Offer, folder: DestinationFolder, existing: ExistingFile,
        started: ContinuousClock.Instant, report: @escaping @Sendable (TransferEvent) -> Void
    ) throws {
        self.service = service
        session = offer.session
        self.folder = folder
        self.existing = existing
        self.started = started
        self.report = report
        for content in offer.contents where content.direction == .initiator {
            guard let file = content.file, case .iceQUIC(let remote)? = content.transport else { continue }
            self.content = content
            self.file = file
            self.remote = remote
            return
        }
        throw TransferError.peerUnable(offer.session.peer, "it offers no transport that sleigh knows")
    }

    /// Runs until the file is stored, or the session ends otherwise.
    func run() async throws -> (TransferSummary, ReceivedFile) {
        let transport = try await service.transport(.responder)
        defer { transport.close() }
        do {
            try transport.receive(remote)
            if let fingerprint = transport.peerFingerprint { try service.trust.check(offerer, fingerprint) }
        } catch let failure as ICEQUICTransport.Failure {
            throw TransferError(failure, peer: offerer)
        }
        let sink = try await folder.receive(
            FileOffer(
                sender: offerer.bare.description, name: file.name ?? "", byteCount: file.size,
                date: file.date.map { String($0.unixSeconds) }),
            existing: existing, blocks: service.blocks)
        do {
            return try await withThrowingTaskGroup(of: (TransferSummary, ReceivedFile)?.self) { group in
                defer { group.cancelAll() }
                group.addTask {
                    await transport.run()
                    return nil
                }
                let offset = file.range == nil ? 0 : sink.offset
                try sink.begin(at: offset)
                try await accept(transport, from: offset)
                group.addTask {
                    try await follow(transport)
                    return nil
                }
                group.addTask {
                    while let info = await transport.nextTransportInfo() {
                        try await session.sendTransportInfo(content.id, .iceQUIC(info))
                    }
                    return nil
                }
                group.addTask { try await transfer(over: transport, into: sink) }
                for try await case let result? in group { return result }
                try Task.checkCancellation()
                throw TransferError.serverConnectionLost("it closed during the transfer")
            }
        } catch {
            await sink.abort()
            throw error
        }
    }

    private func accept(_ transport: ICEQUICTransport, from offset: UInt64) async throws {
        var answer = file
        answer.hashes = []
        answer.range = offset > 0 ? FileDescription.Range(offset: offset) : nil
        try await session.accept([
            Content(
                content.id, senders: .initiator, description: .fileTransfer(answer),
                transport: .iceQUIC(await transport.localDescription()))
        ])
        report(.accepted(by: service.client.address))
    }

    /// Follows the session's events until it ends.
    private func follow(_ transport: ICEQUICTransport) async throws {
        for await event in session.events {
            switch event {
            case .transportInfo(content.id, .iceQUIC(let remote)):
                try transport.receive(remote)
            case .checksum(content.id, let file):
                if let hash = file.hashes.first(where: { $0.algorithm == .sha256 }) {
                    checksum.continuation.yield(hash.value)
                }
            case .ended(.local):
                return
            case .ended(let end):
                throw TransferError(end, peer: offerer, byteCount: position.byteCount)
            default:
                break
            }
        }
        try Task.checkCancellation()
        throw TransferError.serverConnectionLost("it closed during the transfer")
    }

    private func transfer(
        over transport: ICEQUICTransport, into sink: FileSink
    ) async throws -> (TransferSummary, ReceivedFile) {
        let connection: ICEQUICTransport.Connection
        do {
            connection = try await transport.connect()
        } catch let failure as ICEQUICTransport.Failure {
            throw TransferError(failure, peer: offerer)
        }
        let channel = connection.channel
        if let fingerprint = transport.peerFingerprint {
            try service.trust.confirm(offerer, fingerprint)
            report(.connected(connection.path, peer: offerer, fingerprint: fingerprint))
        }
        let offset = sink.offset
        if offset > 0 { report(.resumed(atByte: Int64(offset))) }
        do {
            var firstByte: ContinuousClock.Instant?
            let (name, stream) = try await channel.acceptStream()
            guard name == content.id.name else {
                throw TransferError.protocolViolation("the peer opened a stream for another content")
            }
            while let block = try await stream.read() {
                if firstByte == nil { firstByte = .now }
                try await sink.write(block)
                let count = Int64(sink.offset)
                position.advance(to: count)
                report(.progress(byteCount: count, connection.path))
            }
            report(.verifying)
            let digest = try await sink.digest()
            let received = try await sink.finish(expecting: try await expectedDigest())
            let first = firstByte ?? .now
            let summary = TransferSummary(
                name: received.name, peer: offerer, byteCount: Int64(received.byteCount),
                transferredByteCount: Int64(received.byteCount - offset), duration: .now - first,
                timeToFirstByte: first - started, sha256: hexadecimal(digest), path: connection.path)
            try await session.sendInfo(.received(SessionInfo.ContentReference(content.id)))
            await session.terminate(Reason(.success))
            await channel.close()
            return (summary, received)
        } catch {
            // First the session, so that the peer learns the reason before its stream breaks off.
            let cause = TransferError.cause(of: error, peer: offerer, byteCount: position.byteCount)
            await session.terminate(Reason(ending: cause))
            await channel.close(code: StreamErrorCode(ending: cause).rawValue)
            throw cause
        }
    }

    /// The digest the sender tells, which it does right after the last byte.
    private func expectedDigest() async throws -> [UInt8] {
        if let hash = file.hashes.first(where: { $0.algorithm == .sha256 }) { return hash.value }
        return try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            defer { group.cancelAll() }
            group.addTask { await checksum.stream.first { _ in true } }
            group.addTask {
                try await Task.sleep(for: Self.checksumTimeout)
                return nil
            }
            if let digest = try await group.next() ?? nil { return digest }
            try Task.checkCancellation()
            throw TransferError.interrupted(
                byteCount: position.byteCount, "the sender did not tell the file's checksum")
        }
    }
}
