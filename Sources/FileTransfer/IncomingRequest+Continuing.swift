// Wire/File-Continuation.md and Wire/Stream-Continuation.md: what is accepted once, over as many sessions as it takes.
import Jingle
import Transports
import XMPP

extension IncomingRequest {
    /// How often it is asked meanwhile whether it is still there.
    private static let inquiryInterval = Duration.seconds(5)

    /// Takes the offer and runs `body` in its session, and again in each with which the peer goes on after the path was lost.
    ///
    /// - Throws: what `body` throws, or the interruption when nothing follows; the peer is told.
    func acceptGoingOn<Value: Sendable>(
        _ record: TransferRecord, report: (TransferEvent) -> Void,
        _ body: (JingleHost.Offer, ICEQUICTransport?) async throws -> Value
    ) async throws -> Value {
        var next: JingleHost.Offer?
        while true {
            var interruptible: (JingleSessionID, AsyncStream<JingleHost.Offer>)?
            let take: (JingleHost.Offer, ICEQUICTransport?) async throws -> Value = { offer, prepared in
                interruptible = (offer.session.id, await self.inbox.expectContinuation(of: offer.session.id))
                return try await body(offer, prepared)
            }
            let result: Result<Value, any Error>
            do {
                if let offer = next {
                    let prepared = try? await service.startICEQUIC(.responder, for: application)
                    result = .success(try await run(offer, prepared, take))
                } else {
                    result = .success(try await accept(take))
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

    /// Waits for the peer to go on, for as long as it is there.
    ///
    /// - Throws: the interruption when it does not, `CancellationError`.
    private func continuation(
        of loss: TransferRecord.Loss, among offers: AsyncStream<JingleHost.Offer>?,
        _ report: (TransferEvent) -> Void
    ) async throws -> JingleHost.Offer {
        let (service, peer, application) = (service, peer, application)
        guard let offers, try await service.readiness(of: peer, for: application) != .gone else {
            throw loss.interruption()
        }
        report(.pathLost(loss.why))
        let offer = try await offers.first {
            // It may notice the loss only by the silence.
            _ = try await within(TransferService.continuationTimeout) {
                repeat {
                    try await Task.sleep(for: Self.inquiryInterval)
                } while try await service.readiness(of: peer, for: application) != .gone
            }
        } late: {
            await $0.session.terminate(Reason(.gone))
        }
        guard let offer else { throw loss.interruption() }
        return offer
    }
}
