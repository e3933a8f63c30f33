// Wire/Stream.md: accepting a stream.
import Client
import Jingle

extension IncomingRequest {
    /// Joins the stream to a target, and returns once both directions are over and each side's program has everything.
    ///
    /// - Throws: `TransferError`, `LocalFileError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func accept(
        joining target: StreamTarget, report: @escaping @Sendable (TransferEvent) -> Void
    ) async throws -> StreamSummary {
        try await accept(.stream, knownTo: "sleigh pipe") { session, content, negotiation, answer in
            let reached = try await target.reach()
            try await answer()
            report(.accepted(by: service.client.address))
            return try await StreamSession(
                service: service, session: session, content: content, negotiation: negotiation, role: .responder,
                target: reached, report: report
            ).run()
        }
    }
}
