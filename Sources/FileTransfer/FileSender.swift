// XEP-0234 § 4: sending a file.
import Client
import Jingle
import Transports
public import XMPP

/// Sends files to peers.
public struct FileSender: Sendable {
    let service: TransferService
    /// Where what happens is told.
    let report: @Sendable (TransferEvent) -> Void

    /// Creates a sender.
    ///
    /// - Parameter report: takes what happens, from any task; must not block.
    public init(service: TransferService, report: @escaping @Sendable (TransferEvent) -> Void) {
        self.service = service
        self.report = report
    }

    /// Sends a file and returns once the receiver has confirmed that all of it is there and on the disk.
    ///
    /// - Parameters:
    ///   - target: the bare address of a person, whose devices are asked, or the full address of a device.
    ///   - started: when the user asked for it, for the time to the first byte.
    /// - Throws: `TransferError`, `LocalFileError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func send(
        _ source: FileSource, to target: JID, started: ContinuousClock.Instant = .now
    ) async throws -> TransferSummary {
        let sid = randomIdentifier()
        let file = FileDescription(of: source)
        // The peer needs our presence to see what we can do; strangers may not get it otherwise.
        try await service.client.sendDirectedPresence(to: target)
        // Looks for candidates while the peer makes up its mind.
        async let preparation = prepareICEQUIC()
        var proposal: JingleMessageProposal?
        do {
            var device = target
            if target.isBare {
                (device, proposal) = try await DeviceSearch(peer: target, client: service.client, report: report)
                    .find([.fileTransfer(file)], id: sid)
            } else {
                report(.inviting(target))
            }
            async let asked = abilities(of: device)
            let prepared = await preparation
            defer { prepared?.close() }
            let abilities = try await asked
            let negotiation = try await negotiation(with: device, abilities, prepared)
            defer { negotiation.close() }
            let chosen = device
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await negotiation.run() }
                defer { group.cancelAll() }
                return try await offer(source, file, to: chosen, sid: sid, negotiation, started)
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

    private func offer(
        _ source: FileSource, _ file: FileDescription, to device: JID, sid: String,
        _ negotiation: TransportNegotiation, _ started: ContinuousClock.Instant
    ) async throws -> TransferSummary {
        let content = Content(
            Self.content, senders: .initiator, description: .fileTransfer(file),
            transport: await negotiation.localDescription())
        let session: JingleSessionHandle
        do {
            session = try await service.host.initiate([content], sid: sid, to: device)
        } catch {
            throw TransferError.protocolViolation("the session cannot be offered: \(error)")
        }
        let sending = OutgoingFile(
            service: service, session: session, content: content.id, negotiation: negotiation, source: source,
            started: started, report: report)
        do {
            return try await sending.run()
        } catch {
            let error = TransferError.cause(of: error, peer: device)
            await session.terminate(Reason(ending: error))
            throw error
        }
    }

    private static let content = ContentID(creator: .initiator, name: "file")

    private func prepareICEQUIC() async -> ICEQUICTransport? {
        // When it cannot be started now it fails again when its turn comes, and then says why.
        service.policy.allowedPaths.isDisjoint(with: .iceQUIC) ? nil : try? await service.startICEQUIC(.initiator)
    }

    /// Begins with the best transport that both sides can use.
    private func negotiation(
        with device: JID, _ abilities: TransferService.PeerAbilities, _ prepared: ICEQUICTransport?
    ) async throws -> TransportNegotiation {
        if service.policy.requiresEncryption, !abilities.encryptsBytestreams {
            throw TransferError.notEncrypted(device)
        }
        let rungs = service.rungs(
            to: device, abilities, role: .initiator, content: Self.content, prepared: prepared)
        guard rungs.contains(where: \.isAllowed) else {
            throw TransferError.peerUnable(device, "it has none of the transports that --path permits")
        }
        let service = service
        do {
            return try await TransportNegotiation(offering: rungs, of: Self.content) {
                try service.check(device, $0, abilities)
            }
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
        if let obstacle = DeviceAbilities(info).obstacle { throw TransferError.peerUnable(device, obstacle) }
        return TransferService.PeerAbilities(
            supports: { info.has($0) }, encryptsBytestreams: info.has(BytestreamTLS.namespace))
    }
}

extension FileDescription {
    /// Describes a file to a peer: its digest follows once it is known.
    fileprivate init(of source: FileSource) {
        self.init(name: source.name, size: source.byteCount)
        date = Timestamp(unixSeconds: Int64(source.modified.seconds))
        mediaType = "application/octet-stream"
        hashesUsed = [.sha256]
        range = Range()
    }
}
