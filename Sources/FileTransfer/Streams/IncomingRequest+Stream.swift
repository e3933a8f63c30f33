// Wire/Stream.md: accepting a stream.
import Client
import Jingle
import Synchronization
import Transports

extension IncomingRequest {
    /// Joins the stream to a target, and returns once both directions are over and each side's program has everything. Of a
    /// stream in one direction, what the target has to say is dropped. When the path is lost midway, the peer may go on over
    /// another without asking again.
    ///
    /// - Throws: `TransferError`, `LocalFileError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func accept(
        joining target: StreamTarget, report: @escaping @Sendable (TransferEvent) -> Void
    ) async throws -> StreamSummary {
        let joint = StreamJoint()
        let record = TransferRecord(started: arrived) { joint.progress }
        return try await joint.run {
            var reached: StreamTarget.Reached?
            return try await self.acceptGoingOn(record, report: report) { offer, prepared in
                try await self.join(offer, prepared, target, &reached, joint, record, report)
            }
        }
    }

    /// - Parameter reached: what the target was in the first session.
    private func join(
        _ offer: JingleHost.Offer, _ prepared: ICEQUICTransport?, _ target: StreamTarget,
        _ reached: inout StreamTarget.Reached?, _ joint: StreamJoint, _ record: TransferRecord,
        _ report: @escaping @Sendable (TransferEvent) -> Void
    ) async throws -> StreamSummary {
        guard let (content, flow) = offer.contents.lazy.compactMap(\.stream).first, let remote = content.transport
        else { throw TransferError.peerUnable(peer, "it offers nothing that sleigh pipe knows") }
        let abilities = service.abilities(offering: remote)
        // Without TLS there is no half-close, and whoever took the fingerprint out of the offer could read everything.
        guard abilities.encryptsBytestreams || flow == .incoming && service.policy.permitsOneWayStreams else {
            throw TransferError.notEncrypted(peer)
        }
        return try await answer(content, of: offer, prepared) { negotiation, accept in
            try record.check(negotiation.peerFingerprint, from: peer)
            let end: StreamTarget.Reached
            if let reached { end = reached } else { end = try await target.reach() }
            reached = end
            try await accept()
            report(.accepted(by: service.client.address))
            return try await StreamSession(
                service: service, session: offer.session, content: content.id, negotiation: negotiation,
                role: .responder, flow: flow, target: end,
                isContinuable: content.continuation != nil && flow == .both, joint: joint, record: record,
                report: report
            ).run()
        }
    }
}

extension Content {
    /// The content and which way its bytes go, if it is a stream.
    fileprivate var stream: (Content, StreamFlow)? {
        switch (description, direction) {
        case (.stream, .both): (self, .both)
        case (.oneWayStream, .initiator): (self, .incoming)
        default: nil
        }
    }
}
