// XEP-0234 § 4: sending a file.
import Jingle
public import XMPP

/// Sends files to peers.
public struct FileSender: Sendable {
    let service: TransferService
    /// Where what happens is told.
    let report: @Sendable (TransferEvent) -> Void

    /// Creates a sender.
    ///
    /// - Parameter report: takes what happens, from any task; must not block.
    public init(service: TransferService, report: @escaping @Sendable (TransferEvent) -> Void) {
        self.service = service
        self.report = report
    }

    /// Sends a file and returns once the receiver has confirmed that all of it is there and on the disk. When the path is
    /// lost midway it goes on over another, as long as that gets it further.
    ///
    /// - Parameters:
    ///   - target: the bare address of a person, whose devices are asked, or the full address of a device.
    ///   - started: when the user asked for it, for the time to the first byte.
    /// - Throws: `TransferError`, `LocalFileError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func send(
        _ source: FileSource, to target: JID, started: ContinuousClock.Instant = .now
    ) async throws -> TransferSummary {
        let record = TransferRecord(started: started)
        return try await service.goingOn(.file, record, report: report) { loss in
            var file = FileDescription(of: source)
            if let loss { file.extensions = [FileContinuation(sid: loss.session.sid).element] }
            return try await send(source, as: file, to: loss?.session.peer ?? target, record)
        }
    }

    private func send(
        _ source: FileSource, as file: FileDescription, to target: JID, _ record: TransferRecord
    ) async throws -> TransferSummary {
        let outgoing = OutgoingSession(
            service: service, application: .file, description: .fileTransfer(file), senders: .initiator
        ) { event in
            // Who goes on does not ask.
            if case .inviting = event, record.isContinuing { return }
            report(event)
        }
        return try await outgoing.run(to: target) { offered in
            try await OutgoingFile(
                service: service, offered: offered, source: source, record: record, report: report
            ).run()
        }
    }
}

extension FileDescription {
    /// Describes a file to a peer: its digest follows once it is known.
    fileprivate init(of source: FileSource) {
        self.init(name: source.name, size: source.byteCount)
        date = Timestamp(unixSeconds: Int64(source.modified.seconds))
        mediaType = "application/octet-stream"
        hashesUsed = [.sha256]
        // Libervia refuses an offer without.
        desc = ""
        range = Range()
    }
}
