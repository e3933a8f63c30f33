// Wire/Forward.md: accepting a session.
import Client
import Jingle
import Transports

extension IncomingRequest {
    /// Forwards what the peer asks for and the rules permit, and returns when the peer has ended the session. When the path is
    /// lost midway, the peer may go on over another without asking again.
    ///
    /// - Throws: `TransferError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func accept(
        forwarding rules: ForwardRules, report: @escaping @Sendable (ForwardEvent) -> Void
    ) async throws {
        let tell = { @Sendable in report(.session($0)) }
        let joint = ForwardJoint(as: .responder) { link in
            try await ForwardServer(link: link, rules: rules, report: report).run()
        }
        let record = TransferRecord(started: arrived) { joint.progress }
        _ = try await joint.run {
            try await self.acceptGoingOn(record, report: tell) { offer, prepared in
                let content = try self.encryptedContent(.forward, in: offer, knownTo: "sleigh forward")
                try await self.answer(content, of: offer, prepared) { negotiation, accept in
                    try record.check(negotiation.peerFingerprint, from: self.peer)
                    try await accept()
                    tell(.accepted(by: self.service.client.address))
                    try await ForwardSession(
                        service: self.service, session: offer.session, content: content.id, negotiation: negotiation,
                        role: .responder, isContinuable: content.continuation != nil, joint: joint, record: record,
                        report: tell
                    ).run()
                }
            }
        }
    }
}
