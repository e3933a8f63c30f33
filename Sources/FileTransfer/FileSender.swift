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
        async let preparation = service.transport(.initiator)
        var proposal: JingleMessageProposal?
        do {
            var device = target
            if target.isBare {
                (device, proposal) = try await DeviceSearch(peer: target, client: service.client, report: report)
                    .find([.fileTransfer(file)], id: sid)
            } else {
                report(.inviting(target))
            }
            async let abilities: Void = checkAbilities(of: device)
            let transport = try await preparation
            defer { transport.close() }
            try await abilities
            let chosen = device
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await transport.run() }
                defer { group.cancelAll() }
                let description = await transport.localDescription()
                return try await offer(source, file, description, to: chosen, sid: sid, transport, started)
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
        _ source: FileSource, _ file: FileDescription, _ description: ContentTransport, to device: JID,
        sid: String, _ transport: ICEQUICTransport, _ started: ContinuousClock.Instant
    ) async throws -> TransferSummary {
        let content = Content(
            ContentID(creator: .initiator, name: "file"), senders: .initiator, description: .fileTransfer(file),
            transport: description)
        let session: JingleSessionHandle
        do {
            session = try await service.host.initiate([content], sid: sid, to: device)
        } catch {
            throw TransferError.protocolViolation("the session cannot be offered: \(error)")
        }
        let sending = OutgoingFile(
            service: service, session: session, content: content.id, transport: transport, source: source,
            started: started, report: report)
        do {
            return try await sending.run()
        } catch {
            let error = TransferError.cause(of: error, peer: device)
            await session.terminate(Reason(ending: error))
            throw error
        }
    }

    /// Makes sure that a device can receive what we send, so that a failure names its cause.
    private func checkAbilities(of device: JID) async throws {
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
        for feature in [Jingle.namespace, FileDescription.namespace, ICEQUICTransportDescription.namespace]
        where !info.has(feature) {
            throw TransferError.peerUnable(device, "it does not support \(feature)")
        }
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
