// XEP-0353 and XEP-0166 § 6.2: what somebody wants to send us.
import Client
import Jingle
import SecureChannels
import Transports
public import XMPP

/// What a peer offers, until it is accepted, declined or withdrawn.
public final class IncomingRequest: Sendable {
    /// How the offer came, and so how it is answered.
    enum Origin: Sendable {
        /// Proposed to all our devices; the session follows once we proceed.
        case proposed(id: String)
        /// Offered to this device as a session.
        case offered(JingleHost.Offer)
    }

    /// Why an offer no longer stands.
    public enum Withdrawal: Sendable, Hashable {
        /// The peer withdrew it, or is gone.
        case byPeer
        /// Another device of ours took it.
        case takenElsewhere
        /// Another device of ours declined it.
        case declinedElsewhere
    }

    /// Who wants to send; a full address.
    public let peer: JID
    /// What they want.
    public let application: TransferApplication
    /// The file's name in the peer's words: not safe to print, nor to use as a path. Empty for anything else.
    public let name: String
    /// The file's size in bytes, if the peer gives one.
    public let byteCount: UInt64?
    /// When the offer came.
    public let arrived: ContinuousClock.Instant

    /// Whether it is a stream in one direction, which no sleigh offers.
    private let isOneWayStream: Bool
    let origin: Origin
    let service: TransferService
    let inbox: IncomingRequests
    private let withdrawal = AsyncStream.makeStream(of: Withdrawal.self)

    init(
        peer: JID, application: TransferApplication, description: ContentDescription, origin: Origin,
        service: TransferService, inbox: IncomingRequests
    ) {
        self.peer = peer
        self.application = application
        let file: FileDescription? = if case .fileTransfer(let file) = description { file } else { nil }
        isOneWayStream = description == .oneWayStream
        name = file?.name ?? ""
        byteCount = file?.size
        arrived = .now
        self.origin = origin
        self.service = service
        self.inbox = inbox
    }

    /// Returns when the offer no longer stands, and why. Also returns when the calling task is cancelled.
    public func waitUntilWithdrawn() async -> Withdrawal {
        switch origin {
        case .proposed: return await withdrawal.stream.first { _ in true } ?? .byPeer
        case .offered(let offer):
            await offer.session.waitUntilEnded()
            return .byPeer
        }
    }

    func withdraw(_ cause: Withdrawal) { withdrawal.continuation.yield(cause) }

    /// Tells the peer that its offer has arrived and is being thought about.
    public func ring() async {
        if case .proposed(let id) = origin { await inbox.ring(id, from: peer) }
    }

    /// Tells the peer that we do not want it.
    public func decline() async {
        switch origin {
        case .proposed(let id): await inbox.reject(id, from: peer)
        case .offered(let offer):
            await offer.session.terminate(
                isTooOpen ? Reason(ending: TransferError.notEncrypted(peer)) : Reason(.decline))
        }
    }

    /// Tells the peer that we cannot take it now.
    ///
    /// - Parameter why: as part of a sentence.
    public func declineAsBusy(_ why: String) async {
        let reason = Reason(.busy, text: why)
        switch origin {
        case .proposed(let id): await inbox.reject(id, from: peer, reason)
        case .offered(let offer): await offer.session.terminate(reason)
        }
    }

    /// Whether others than the two devices could read the bytes; `nil` when the offer does not show it yet.
    public var isEndToEndEncrypted: Bool? {
        guard case .offered(let offer) = origin else { return isOneWayStream ? false : nil }
        return offer.contents.contains { $0.transport.map(service.abilities(offering:))?.encryptsBytestreams == true }
    }

    /// Whether the offer is not to be accepted, as others than the two devices could read the bytes.
    public var isTooOpen: Bool {
        let policy = service.policy
        return isEndToEndEncrypted == false
            && (policy.requiresEncryption || isOneWayStream && !policy.permitsOneWayStreams)
    }

    /// Takes the offer, runs `body` in its session, and tells the peer how it failed if it did.
    func accept<Value: Sendable>(
        _ body: (JingleHost.Offer, ICEQUICTransport?) async throws -> Value
    ) async throws -> Value {
        // Looks for candidates while the peer learns that it may start.
        async let preparation = prepareICEQUIC()
        let offer: JingleHost.Offer
        switch origin {
        case .offered(let offered): offer = offered
        case .proposed(let id): offer = try await inbox.proceed(id, from: peer)
        }
        return try await run(offer, await preparation, body)
    }

    /// Runs `body` in the session of an offer, and tells the peer how it failed if it did.
    func run<Value: Sendable>(
        _ offer: JingleHost.Offer, _ prepared: ICEQUICTransport?,
        _ body: (JingleHost.Offer, ICEQUICTransport?) async throws -> Value
    ) async throws -> Value {
        defer { prepared?.close() }
        do {
            return try await body(offer, prepared)
        } catch {
            let error = TransferError.cause(of: error, peer: peer)
            await offer.session.terminate(Reason(ending: error, tellsPaths: isEndToEndEncrypted ?? true))
            throw error
        }
    }

    /// Finds the content of an offer whose bytes nobody but the two devices may read.
    ///
    /// - Throws: `TransferError`.
    func encryptedContent(
        _ description: ContentDescription, in offer: JingleHost.Offer, knownTo command: String
    ) throws -> Content {
        guard let content = offer.contents.first(where: { $0.description == description && $0.direction == .both }),
            let remote = content.transport
        else { throw TransferError.peerUnable(peer, "it offers nothing that \(command) knows") }
        // Whoever took the fingerprint out of the offer could read everything.
        guard service.abilities(offering: remote).encryptsBytestreams else { throw TransferError.notEncrypted(peer) }
        return content
    }

    /// Runs `body` beside the search for the way of an offer's content; `body` accepts the session by the closure it is given.
    func answer<Value: Sendable>(
        _ content: Content, of offer: JingleHost.Offer, _ prepared: ICEQUICTransport?,
        _ body: (TransportNegotiation, _ accept: () async throws -> Void) async throws -> Value
    ) async throws -> Value {
        guard let remote = content.transport else { throw TransferError.peerUnable(peer, "it offers no transport") }
        let abilities = service.abilities(offering: remote)
        let negotiation = try await service.negotiation(
            answering: remote, of: content.id, for: application, from: peer, abilities, prepared: prepared)
        defer { negotiation.close() }
        try service.check(peer, negotiation.peerFingerprint, abilities)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { await negotiation.run() }
            return try await body(negotiation) {
                try await offer.session.accept([await service.answer(content, abilities, negotiation)])
            }
        }
    }

    private func prepareICEQUIC() async -> ICEQUICTransport? {
        if case .offered(let offer) = origin, !offer.contents.contains(where: \.offersICEQUIC) { return nil }
        // When it cannot be started now it fails again when its turn comes, and then says why.
        return try? await service.startICEQUIC(.responder, for: application)
    }
}

extension Content {
    fileprivate var offersICEQUIC: Bool { if case .iceQUIC? = transport { true } else { false } }
}
