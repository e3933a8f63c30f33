// XEP-0234 § 4, and Wire/File-Continuation.md: a file that is accepted once, over as many sessions as it takes.
import Jingle
import Transports

extension IncomingRequest {
    /// How long the sender may take to go on after the path was lost: it may notice that only by the silence.
    private static let continuationTimeout = Duration.seconds(60)
    /// How often it is asked meanwhile whether it is still there.
    private static let inquiryInterval = Duration.seconds(5)

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
        var next: JingleHost.Offer?
        while true {
            var interruptible: (JingleSessionID, AsyncStream<JingleHost.Offer>)?
            let receive: (JingleHost.Offer, ICEQUICTransport?) async throws -> (TransferSummary, ReceivedFile) = {
                offer, prepared in
                interruptible = (offer.session.id, await self.inbox.expectContinuation(of: offer.session.id))
                let incoming = try IncomingFile(
                    service: self.service, offer: offer, folder: folder, existing: existing, record: record,
                    report: report)
                guard incoming.isFile(named: self.name, byteCount: self.byteCount) else {
                    throw TransferError.protocolViolation("it starts to send another file than it announced")
                }
                return try await incoming.run(prepared)
            }
            let result: Result<(TransferSummary, ReceivedFile), any Error>
            do {
                if let offer = next {
                    result = .success(
                        try await run(offer, try? await service.startICEQUIC(.responder, for: .file), receive))
                } else {
                    result = .success(try await accept(receive))
                }
                next = nil
            } catch {
                do {
                    let loss = try record.loss(after: error)
                    next = try await continuation(of: loss, among: interruptible?.1, report)
                    result = .failure(error)
                } catch {
                    next = nil
                    result = .failure(error)
                }
            }
            if let session = interruptible?.0 { await inbox.endContinuation(of: session) }
            if next == nil { return try result.get() }
        }
    }

    /// Waits for the sender to go on, for as long as it is there.
    ///
    /// - Throws: the interruption when it does not, `CancellationError`.
    private func continuation(
        of loss: TransferRecord.Loss, among offers: AsyncStream<JingleHost.Offer>?,
        _ report: (TransferEvent) -> Void
    ) async throws -> JingleHost.Offer {
        guard let offers, try await service.canContinue(with: peer) else { throw loss.interruption() }
        report(.pathLost(loss.why))
        let (service, peer) = (service, peer)
        let offer = try await withThrowingTaskGroup(of: JingleHost.Offer?.self) { group in
            defer { group.cancelAll() }
            group.addTask { await offers.first { _ in true } }
            group.addTask {
                try await Task.sleep(for: Self.continuationTimeout)
                return nil
            }
            group.addTask {
                repeat {
                    try await Task.sleep(for: Self.inquiryInterval)
                } while try await service.canContinue(with: peer)
                return nil
            }
            return try await group.next() ?? nil
        }
        try Task.checkCancellation()
        guard let offer else { throw loss.interruption() }
        return offer
    }
}
