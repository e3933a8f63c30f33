// Wire/Jingle-Bench.md: taking part in a peer's measurement.
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
            let content = try encryptedContent(.bench, in: offer, knownTo: "sleigh bench")
            try await answer(content, of: offer, prepared) { negotiation, accept in
                try await accept()
                report(.session(.accepted(by: service.client.address)))
                try await BenchSession(
                    service: service, session: offer.session, content: content.id, negotiation: negotiation,
                    options: nil, asked: arrived, recorder: recorder, report: report
                ).run()
            }
        }
    }
}
