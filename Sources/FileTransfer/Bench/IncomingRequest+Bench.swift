// Wire/Jingle-Bench.md: taking part in a peer's measurement.
import Client
import Jingle

extension IncomingRequest {
    /// Does what the peer measures with, and returns when it has everything.
    ///
    /// - Parameter recorder: gets what is known here.
    /// - Throws: `TransferError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func acceptBench(
        into recorder: BenchRecorder, report: @escaping @Sendable (BenchEvent) -> Void
    ) async throws {
        try await accept(.bench, knownTo: "sleigh bench") { session, content, negotiation, answer in
            try await answer()
            report(.session(.accepted(by: service.client.address)))
            try await BenchSession(
                service: service, session: session, content: content, negotiation: negotiation, options: nil,
                asked: arrived, recorder: recorder, report: report
            ).run()
        }
    }
}
