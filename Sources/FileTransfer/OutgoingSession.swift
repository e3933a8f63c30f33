// XEP-0166 § 6.1: offering a session.
import Client
import Jingle
import Transports
import XMPP

/// Finds the device of a peer that takes a content, offers it the session, and looks for the way.
struct OutgoingSession: Sendable {
    /// A session that was offered, and the search for the way of its content.
    struct Offered: Sendable {
        var session: JingleSessionHandle
        var content: ContentID
        /// Whom it was offered to.
        var peer: TransferService.PeerAbilities
        var negotiation: TransportNegotiation
    }

    let service: TransferService
    /// What is offered, and what it is; of a stream, what it is to another sleigh.
    let application: TransferApplication
    let description: ContentDescription
    let senders: Senders
    /// The session that is gone on with.
    var continued: JingleSessionID?
    let report: @Sendable (TransferEvent) -> Void

    /// The content's name in the session.
    private var content: ContentID { ContentID(creator: .initiator, name: application.contentName) }

    /// Offers the session, runs `body` in it, and tells the peer how it failed if it did.
    ///
    /// - Parameter target: the bare address of a person, whose devices are asked, or the full address of a device.
    /// - Throws: `TransferError`, `StanzaChannelError`, `CancellationError`, what `body` throws.
    func run<Value: Sendable>(
        to target: JID, _ body: @escaping @Sendable (Offered) async throws -> Value
    ) async throws -> Value {
        let sid = randomIdentifier()
        // The peer needs our presence to see what we can do; strangers may not get it otherwise.
        try await service.client.sendDirectedPresence(to: target)
        // Looks for candidates while the peer makes up its mind.
        async let preparation = prepareICEQUIC()
        var proposal: JingleMessageProposal?
        do {
            var device = target
            if target.isBare {
                let search = DeviceSearch(
                    peer: target, application: application,
                    permitsOneWayStreams: service.policy.permitsOneWayStreams, client: service.client, report: report)
                (device, proposal) = try await search.find([description], id: sid)
            } else if continued == nil {
                report(.inviting(target))
            }
            async let asked = abilities(of: device)
            let prepared = await preparation
            defer { prepared?.close() }
            let abilities = try await asked
            // A server could invent a device that cannot encrypt; only the user can say that it is meant.
            if target.isBare, !abilities.encryptsBytestreams, try service.trust.knowsDevice(of: device) {
                throw TransferError.notEncrypted(device)
            }
            let negotiation = try await negotiation(with: device, abilities, prepared)
            defer { negotiation.close() }
            let chosen = device
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await negotiation.run() }
                defer { group.cancelAll() }
                return try await offer(to: chosen, abilities, sid: sid, negotiation, body)
            }
        } catch {
            let service = service
            let actions = proposal?.finish(Reason(ending: error)) ?? []
            // A task of its own, because this one may be cancelled, and the device may still wait for the session.
            await Task {
                for case .send(let message, let recipient) in actions {
                    try? await service.client.send(message.message(to: recipient).element)
                }
            }.value
            throw error
        }
    }

    private func offer<Value: Sendable>(
        to device: JID, _ abilities: TransferService.PeerAbilities, sid: String, _ negotiation: TransportNegotiation,
        _ body: (Offered) async throws -> Value
    ) async throws -> Value {
        let (description, senders) = abilities.takesOneWayStreams ? (.oneWayStream, .initiator) : (description, senders)
        var offered = Content(
            content, senders: senders, description: description, transport: await negotiation.localDescription())
        // Only of another sleigh is anything wanted but a file's confirmation.
        if senders == .both { offered.limit = service.policy.limit }
        if application.continuation == StreamContinuation.namespace, abilities.continuesStreams {
            offered.continuation = StreamContinuation(sid: continued?.sid)
        }
        let session: JingleSessionHandle
        do {
            session = try await service.host.initiate([offered], sid: sid, to: device)
        } catch {
            throw TransferError.protocolViolation("the session cannot be offered: \(error)")
        }
        do {
            return try await body(
                Offered(session: session, content: content, peer: abilities, negotiation: negotiation))
        } catch {
            let error = TransferError.cause(of: error, peer: device)
            await session.terminate(Reason(ending: error, tellsPaths: negotiation.peerFingerprint != nil))
            throw error
        }
    }

    private func prepareICEQUIC() async -> ICEQUICTransport? {
        // When it cannot be started now it fails again when its turn comes, and then says why.
        service.policy.allowedPaths.isDisjoint(with: .iceQUIC)
            ? nil : try? await service.startICEQUIC(.initiator, for: application)
    }

    /// Begins with the best transport that both sides can use.
    private func negotiation(
        with device: JID, _ abilities: TransferService.PeerAbilities, _ prepared: ICEQUICTransport?
    ) async throws -> TransportNegotiation {
        let mayBeOpen = !application.isAlwaysEncrypted || abilities.takesOneWayStreams
        if service.policy.requiresEncryption || !mayBeOpen, !abilities.encryptsBytestreams {
            throw TransferError.notEncrypted(device)
        }
        let rungs = service.rungs(
            to: device, abilities, role: .initiator, content: content, for: application, prepared: prepared)
        guard rungs.contains(where: \.isAllowed) else {
            throw TransferError.peerUnable(device, "it has none of the transports that --path permits")
        }
        let service = service
        do {
            let negotiation = try await TransportNegotiation(offering: rungs, of: content) {
                try service.check(device, $0, abilities)
            }
            negotiation.limit(service.policy.limit)
            return negotiation
        } catch {
            throw TransferError(error, peer: device)
        }
    }

    /// Makes sure that a device can receive what we send, so that a failure names its cause.
    private func abilities(of device: JID) async throws -> TransferService.PeerAbilities {
        let info: ServiceDiscoveryInfo
        do {
            info = try await service.client.discover(device)
        } catch let error as StanzaError {
            switch error.condition {
            case .remoteServerNotFound, .remoteServerTimeout, .itemNotFound:
                throw TransferError.peerNotFound(device, error)
            default: throw TransferError.peerOffline(device)
            }
        } catch StanzaChannelError.timedOut {
            throw TransferError.peerOffline(device)
        } catch is StanzaParseError {
            throw TransferError.peerUnable(device, "what it says about itself cannot be read")
        }
        let abilities = DeviceAbilities(info)
        if let obstacle = abilities.obstacle(
            to: application, permitsOneWayStreams: service.policy.permitsOneWayStreams)
        {
            throw TransferError.peerUnable(device, obstacle)
        }
        return TransferService.PeerAbilities(
            supports: { info.has($0) }, encryptsBytestreams: info.has(BytestreamTLS.namespace),
            isLibervia: abilities.isLibervia, caveat: abilities.caveat,
            takesOneWayStreams: application == .stream && !abilities.hasStreams,
            continuesStreams: info.has(StreamContinuation.namespace))
    }
}
