// Wire/Forward.md: accepting a session.
import Client
import Jingle

extension IncomingRequest {
    /// Forwards what the peer asks for and the rules permit, and returns when the peer has ended the session.
    ///
    /// - Throws: `TransferError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func accept(
        forwarding rules: ForwardRules, report: @escaping @Sendable (ForwardEvent) -> Void
    ) async throws {
        try await accept(.forward, knownTo: "sleigh forward") { session, content, negotiation, answer in
            try await answer()
            report(.session(.accepted(by: service.client.address)))
            let session = ForwardSession(
                service: service, session: session, content: content, negotiation: negotiation, role: .responder
            ) { report(.session($0)) }
            try await session.run { link in
                try await ForwardServer(link: link, rules: rules, report: report).run()
            }
        }
    }
}
