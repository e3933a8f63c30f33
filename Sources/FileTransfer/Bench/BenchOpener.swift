// Wire/Jingle-Bench.md: measuring the path to a peer.
import Jingle
public import XMPP

/// Measures paths to peers.
public struct BenchOpener: Sendable {
    let service: TransferService
    let options: BenchOptions
    /// Where what happens is told.
    let report: @Sendable (BenchEvent) -> Void

    /// Creates an opener.
    ///
    /// - Parameter report: takes what happens, from any task; must not block.
    public init(
        service: TransferService, options: BenchOptions, report: @escaping @Sendable (BenchEvent) -> Void
    ) {
        self.service = service
        self.options = options
        self.report = report
    }

    /// Measures the path that is chosen of those the service permits.
    ///
    /// - Parameters:
    ///   - target: the bare address of a person, whose devices are asked, or the full address of a device.
    ///   - recorder: gets what is measured as soon as it is known, and keeps it when the rest fails.
    /// - Throws: `TransferError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func measure(to target: JID, into recorder: BenchRecorder) async throws {
        let asked = ContinuousClock.now
        let outgoing = OutgoingSession(
            service: service, application: .bench, description: .bench, senders: .both
        ) { report(.session($0)) }
        try await outgoing.run(to: target) { offered in
            try await BenchSession(
                service: service, session: offered.session, content: offered.content,
                negotiation: offered.negotiation, options: options, asked: asked, recorder: recorder, report: report
            ).run()
        }
    }
}
