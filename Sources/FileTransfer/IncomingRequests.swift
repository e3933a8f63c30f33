// XEP-0353 § 3 and XEP-0166 § 6.2: what peers want to send, from both ways in which they say so.
import Client
import Jingle
import Transports
import XML
import XMPP

/// Takes the offers of one log-in, joins a session to the proposal it follows from, and hands both out as requests.
public actor IncomingRequests {
    /// The requests, for one reader; ends with the stream to the server.
    public nonisolated let requests: AsyncStream<IncomingRequest>

    /// How long a peer may take to start the session we proceeded with.
    private static let sessionTimeout = Duration.seconds(30)
    /// How many proposals may be open at once.
    private static let invitationLimit = 64
    private static let invitationLimitPerPeer = 8
    /// How long a proposal stands that is neither answered nor withdrawn; no sender waits longer.
    private static let invitationLifetime = Duration.seconds(600)

    private let service: TransferService
    private let applications: Set<TransferApplication>
    private let incoming: AsyncStream<IncomingRequest>.Continuation
    private var invitations: [Key: Entry] = [:]
    /// The proposals on which the user is asked, or was.
    private var asked: Set<Key> = []
    private var expected: [Key: AsyncStream<JingleHost.Offer>.Continuation] = [:]
    /// The sessions with which their initiator may go on in another one.
    private var interruptible: [Key: Continuations] = [:]

    /// The offer that goes on with a session, once it is there.
    private typealias Continuations = (
        stream: AsyncStream<JingleHost.Offer>, continuation: AsyncStream<JingleHost.Offer>.Continuation
    )

    private struct Key: Hashable {
        var id: String
        var peer: JID
    }

    private struct Entry {
        var invitation: JingleMessageInvitation
        var request: IncomingRequest
    }

    /// Creates an inbox for some applications; proposals of others are left to the account's other devices, and sessions
    /// refused.
    public init(service: TransferService, applications: Set<TransferApplication>) {
        self.service = service
        self.applications = applications
        (requests, incoming) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.invitationLimit))
    }

    /// Takes offers until the stream to the server ends or the task is cancelled.
    public func run() async {
        let messages = service.client.messages(withChildIn: JingleMessage.namespace)
        let offers = service.host.offers
        await withDiscardingTaskGroup { group in
            group.addTask { for await offer in offers { await self.take(offer) } }
            for await message in messages { await take(message) }
            group.cancelAll()
        }
        incoming.finish()
        // Whoever was told that somebody is being asked would wait for the answer for minutes. In a task of its own, since
        // this one may be cancelled.
        await Task { for key in asked { await self.reject(key.id, from: key.peer) } }.value
        for entry in invitations.values { entry.request.withdraw(.byPeer) }
        invitations = [:]
        for waiting in expected.values { waiting.finish() }
        for waiting in interruptible.values { waiting.continuation.finish() }
        (expected, interruptible) = ([:], [:])
    }

    // MARK: Continuations

    /// From now on the first offer that goes on with a session comes here; end with ``endContinuation(of:)``.
    func expectContinuation(of session: JingleSessionID) -> AsyncStream<JingleHost.Offer> {
        let made = AsyncStream.makeStream(of: JingleHost.Offer.self, bufferingPolicy: .bufferingOldest(1))
        interruptible[Key(id: session.sid, peer: session.peer)] = made
        return made.stream
    }

    /// Refuses what would go on with a session, should it be there unread.
    func endContinuation(of session: JingleSessionID) async {
        let key = Key(id: session.sid, peer: session.peer)
        guard let (offers, continuation) = interruptible.removeValue(forKey: key) else { return }
        continuation.finish()
        for await offer in offers { await offer.session.terminate(Reason(.gone)) }
    }

    // MARK: Answers to proposals

    func ring(_ id: String, from peer: JID) async {
        let key = Key(id: id, peer: peer)
        guard invitations[key] != nil else { return }
        asked.insert(key)
        await answer(Key(id: id, peer: peer)) { $0.ring() }
    }

    func reject(_ id: String, from peer: JID, _ reason: Reason = Reason(.busy)) async {
        await answer(Key(id: id, peer: peer)) { $0.reject(reason) }
    }

    /// Takes the session on this device and waits for the peer to start it.
    func proceed(_ id: String, from peer: JID) async throws -> JingleHost.Offer {
        let key = Key(id: id, peer: peer)
        guard invitations[key] != nil else { throw TransferError.withdrawn(peer) }
        let (offers, continuation) = AsyncStream.makeStream(of: JingleHost.Offer.self)
        expected[key] = continuation
        defer {
            expected[key] = nil
            invitations[key] = nil
        }
        try? await service.client.sendDirectedPresence(to: peer)
        await answer(key) { $0.proceed() }
        let offer = try await offers.first(within: Self.sessionTimeout)
        guard let offer else { throw TransferError.withdrawn(peer) }
        return offer
    }

    private func answer(
        _ key: Key, _ step: (inout JingleMessageInvitation) -> [JingleMessageInvitation.Action]
    ) async {
        guard var entry = invitations[key] else { return }
        let actions = step(&entry.invitation)
        invitations[key] = entry.invitation.isEnded ? nil : entry
        if entry.invitation.isEnded || entry.invitation.isProceeding { asked.remove(key) }
        await perform(actions, of: entry)
    }

    private func perform(_ actions: [JingleMessageInvitation.Action], of entry: Entry) async {
        for action in actions {
            switch action {
            case .send(let message, let recipient):
                try? await service.client.send(message.message(to: recipient).element)
            case .retracted(let reason):
                entry.request.withdraw(reason?.condition == .expired ? .takenElsewhere : .byPeer)
                expected[Key(id: entry.invitation.id, peer: entry.invitation.initiator)]?.finish()
            case .takenElsewhere:
                entry.request.withdraw(.takenElsewhere)
            case .rejectedElsewhere:
                entry.request.withdraw(.declinedElsewhere)
            case .finished:
                entry.request.withdraw(.byPeer)
                expected[Key(id: entry.invitation.id, peer: entry.invitation.initiator)]?.finish()
            }
        }
    }

    // MARK: What comes in

    private func take(_ element: XMLElement) async {
        guard let message = try? Message(element), message.kind != .error, let sender = message.from,
            let content = try? JingleMessage(message)
        else { return }
        let own = service.client.address
        if sender.bare == own.bare, sender != own {
            for (key, var entry) in invitations where key.id == content.id {
                let actions = entry.invitation.receiveFromOwnAccount(content, by: sender)
                invitations[key] = entry.invitation.isEnded ? nil : entry
                if entry.invitation.isEnded { asked.remove(key) }
                await perform(actions, of: entry)
            }
        }
        // A copy of what the peer says to another device of ours alone, such as that we were faster; or of what another
        // device of ours says to somebody else, such as its own proposal.
        if let recipient = message.to, recipient != own, recipient != own.bare { return }
        let key = Key(id: content.id, peer: sender)
        if invitations[key] != nil {
            await answer(key) { $0.receive(content, from: sender) }
        } else if let invitation = JingleMessageInvitation(content, from: sender, isDelayed: Delay(message) != nil) {
            propose(invitation, key)
        }
    }

    private func propose(_ invitation: JingleMessageInvitation, _ key: Key) {
        for (old, entry) in invitations
        where expected[old] == nil && .now - entry.request.arrived > Self.invitationLifetime {
            entry.request.withdraw(.byPeer)
            invitations[old] = nil
            asked.remove(old)
        }
        guard sender(key.peer, mayAsk: invitations.count), let description = invitation.descriptions.first,
            let application = TransferApplication(of: description), applications.contains(application),
            description != .oneWayStream || service.policy.permitsOneWayStreams
        else { return }
        let request = IncomingRequest(
            peer: key.peer, application: application, description: description, origin: .proposed(id: key.id),
            service: service, inbox: self)
        invitations[key] = Entry(invitation: invitation, request: request)
        if case .dropped = incoming.yield(request) { invitations[key] = nil }
    }

    private func sender(_ peer: JID, mayAsk count: Int) -> Bool {
        count < Self.invitationLimit
            && invitations.keys.count { $0.peer.bare == peer.bare } < Self.invitationLimitPerPeer
    }

    private func take(_ offer: JingleHost.Offer) async {
        let key = Key(id: offer.session.id.sid, peer: offer.session.peer)
        if let waiting = expected.removeValue(forKey: key) {
            waiting.yield(offer)
            return
        }
        let file = offer.contents.lazy.compactMap(\.file).first
        let continued = offer.contents.lazy.compactMap(\.continuation?.sid).first
        if let sid = continued ?? file.flatMap(FileContinuation.init)?.sid,
            let waiting = interruptible[Key(id: sid, peer: key.peer)]
        {
            switch waiting.continuation.yield(offer) {
            case .enqueued: return
            // Nobody waits for it any more.
            case .terminated: return await offer.session.terminate(Reason(.gone))
            default: return await offer.session.terminate(Reason(.busy))
            }
        }
        // A file begins anew, or with what is there of it. The beginning of a stream is nowhere any more.
        if continued != nil { return await offer.session.terminate(Reason(.gone)) }
        let known = offer.contents.lazy.compactMap(\.description).compactMap { description in
            TransferApplication(of: description).map { ($0, description) }
        }
        guard let (application, description) = known.first(where: { applications.contains($0.0) }) else {
            await offer.session.terminate(Reason(.unsupportedApplications))
            return
        }
        let request = IncomingRequest(
            peer: offer.session.peer, application: application, description: description, origin: .offered(offer),
            service: service, inbox: self)
        if case .dropped = incoming.yield(request) { await offer.session.terminate(Reason(.busy)) }
    }
}
