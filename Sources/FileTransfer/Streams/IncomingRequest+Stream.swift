// Wire/Stream.md: accepting a stream.
import Client
import Jingle
import Transports

extension IncomingRequest {
    /// Joins the stream to a target, and returns once both directions are over and each side's program has everything. Of a
    /// stream in one direction, what the target has to say is dropped.
    ///
    /// - Throws: `TransferError`, `LocalFileError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func accept(
        joining target: StreamTarget, report: @escaping @Sendable (TransferEvent) -> Void
    ) async throws -> StreamSummary {
        try await accept { offer, prepared in
            guard let (content, flow) = offer.contents.lazy.compactMap(\.stream).first, let remote = content.transport
            else { throw TransferError.peerUnable(peer, "it offers nothing that sleigh pipe knows") }
            let abilities = service.abilities(offering: remote)
            // Without TLS there is no half-close, and whoever took the fingerprint out of the offer could read everything.
            guard abilities.encryptsBytestreams || flow == .incoming && service.policy.permitsOneWayStreams else {
                throw TransferError.notEncrypted(peer)
            }
            let negotiation = try await service.negotiation(
                answering: remote, of: content.id, for: .stream, from: peer, abilities, prepared: prepared)
            defer { negotiation.close() }
            try service.check(peer, negotiation.peerFingerprint, abilities)
            let reached = try await target.reach()
            return try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                group.addTask { await negotiation.run() }
                try await offer.session.accept([await service.answer(content, abilities, negotiation)])
                report(.accepted(by: service.client.address))
                return try await StreamSession(
                    service: service, session: offer.session, content: content.id, negotiation: negotiation,
                    role: .responder, flow: flow, target: reached, report: report
                ).run()
            }
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
