// XEP-0234 § 4: accepting a file.
import Jingle
import Transports

extension IncomingRequest {
    /// Receives the file, and returns once it is verified and has its name. When the path is lost midway, the sender may
    /// go on over another without asking again.
    ///
    /// - Throws: `TransferError`, `LocalFileError`, `StanzaChannelError`, or `CancellationError`; the peer is told, and
    ///   what has arrived is kept for another attempt.
    public func accept(
        into folder: DestinationFolder, existing: ExistingFile,
        report: @escaping @Sendable (TransferEvent) -> Void
    ) async throws -> (TransferSummary, ReceivedFile) {
        let record = TransferRecord(started: arrived)
        return try await acceptGoingOn(record, report: report) { offer, prepared in
            let incoming = try IncomingFile(
                service: service, offer: offer, folder: folder, existing: existing, record: record, report: report)
            guard incoming.isFile(named: name, byteCount: byteCount) else {
                throw TransferError.protocolViolation("it starts to send another file than it announced")
            }
            return try await incoming.run(prepared)
        }
    }
}
