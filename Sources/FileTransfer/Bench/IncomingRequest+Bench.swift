// Wire/Bench.md: taking part in a peer's measurement.
import Client
import Jingle
import Transports

extension IncomingRequest {
    /// Does what the peer measures with, and returns when it has everything.
    ///
    /// - Parameter recorder: gets what is known here.
    /// - Throws: `TransferError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func acceptBench(
        into recorder: BenchRecorder, report: @escaping @Sendable (BenchEvent) -> Void
    ) async throws {
        try await accept { offer, prepared in
            guard let content = offer.contents.first(where: { $0.description == .bench && $0.direction == .both }),
                let remote = content.transport
            else { throw TransferError.peerUnable(peer, "it offers nothing that sleigh bench knows") }
            let abilities = service.abilities(offering: remote)
            guard abilities.encryptsBytestreams else { throw TransferError.notEncrypted(peer) }
            let negotiation = try await service.negotiation(
                answering: remote, of: content.id, from: peer, abilities, prepared: prepared)
            defer { negotiation.close() }
            try service.check(peer, negotiation.peerFingerprint, abilities)
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                group.addTask { await negotiation.run() }
                try await offer.session.accept([await service.answer(content, abilities, negotiation)])
                report(.session(.accepted(by: service.client.address)))
                try await BenchSession(
                    service: service, session: offer.session, content: content.id, negotiation: negotiation,
                    options: nil, asked: arrived, recorder: recorder, report: report
                ).run()
            }
        }
    }
}
