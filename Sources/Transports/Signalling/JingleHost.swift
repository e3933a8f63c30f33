// XEP-0166: the sessions of one stream, joined to it.
public import Jingle
import Synchronization
import XML
public import XMPP

/// Runs the Jingle sessions of one XMPP stream: gives each incoming request to its session, sends what sessions ask
/// to send, and hands events to whoever holds the session.
///
/// The host does its work in a task of its own, from ``start()`` to ``stop()``, so that a session can still be
/// terminated by a command that was cancelled.
public actor JingleHost {
    /// A session a peer offers, with what it offers.
    public struct Offer: Sendable {
        /// The session; accept or terminate it.
        public let session: JingleSessionHandle
        /// What is offered.
        public let contents: [Content]
    }

    /// The sessions peers offer, from ``start()`` to ``stop()``, for one reader.
    public nonisolated let offers: AsyncStream<Offer>
    /// This side's full address.
    public nonisolated var address: JID { channel.address }

    /// How long a peer's client may take to acknowledge a request.
    private static let requestTimeout = Duration.seconds(20)
    /// How long the end of a session waits for its acknowledgement.
    private static let terminateTimeout = Duration.seconds(3)
    /// The events a session keeps for its holder; a peer that causes more is cut off.
    private static let eventLimit = 128

    private let channel: any StanzaChannel
    private let offered: AsyncStream<Offer>.Continuation
    private var sessions: JingleSessions
    private var outlets: [JingleSessionID: Outlet] = [:]
    private nonisolated let task = HostTask()
    private let takesOffers: Bool
    /// Whether requests still come and go; not after the end of the stream.
    private var isConnected = true

    /// Where a session's events and requests go.
    private struct Outlet {
        /// `nil` follows the last event.
        var events: Mailbox<JingleEvent?>
        var requests: AsyncStream<(JingleSession.RequestKey, JingleStanza)>.Continuation
        var end: AsyncStream<Void>.Continuation
    }

    /// Creates a host for a stream.
    ///
    /// - Parameter takesOffers: whether somebody reads ``offers``; otherwise each is declined.
    public init(channel: any StanzaChannel, takesOffers: Bool = true) {
        self.channel = channel
        self.takesOffers = takesOffers
        sessions = JingleSessions(localAddress: channel.address)
        (offers, offered) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(64))
    }

    /// Begins to take requests. Call it once.
    public func start() {
        task.start(channel.requests(inNamespace: Jingle.namespace)) {
            await self.take($0)
        } disconnected: {
            await self.disconnected()
        }
    }

    /// Terminates what is still open, all at once, ends the host, and returns when its work is over; also in a task that
    /// was cancelled.
    public func stop() async {
        isConnected = false
        await withDiscardingTaskGroup { group in
            for id in sessions.ids { group.addTask { await self.terminate(id, Reason(.gone)) } }
        }
        offered.finish()
        for outlet in outlets.values { close(outlet) }
        outlets = [:]
        await task.stop()
    }

    /// Offers a session to a peer.
    ///
    /// - Parameters:
    ///   - contents: each made by the initiator, with description and transport.
    ///   - sid: the session's identifier, random unless it comes from XEP-0353.
    /// - Throws: `JingleCommandError`.
    public func initiate(
        _ contents: [Content], sid: String, to peer: JID
    ) throws(JingleCommandError) -> JingleSessionHandle {
        let (id, actions) = try sessions.initiate(contents, sid: sid, to: peer)
        let handle = open(id)
        perform(actions, in: id)
        return handle
    }

    // MARK: What handles ask for

    func command(
        _ id: JingleSessionID, _ command: (inout JingleSession) throws(JingleCommandError) -> [JingleSession.Action]
    ) throws(JingleCommandError) {
        perform(try sessions.command(id, command), in: id)
    }

    /// Ends a session and returns when the peer has acknowledged it or has had the time to; when it is not waited for, as
    /// soon as it is being told.
    func terminate(_ id: JingleSessionID, _ reason: Reason, waits: Bool = true) async {
        let actions = try? sessions.command(id) { session throws(JingleCommandError) in session.terminate(reason) }
        var stanzas: [JingleStanza] = []
        for case .request(_, let stanza) in actions ?? [] { stanzas.append(stanza) }
        perform((actions ?? []).filter { if case .event = $0 { true } else { false } }, in: id)
        // In a task of its own: a cancelled one can send nothing.
        let peer = id.peer
        await Task { for stanza in stanzas { await self.deliver(stanza, to: peer, waits: waits) } }.value
    }

    // MARK: Requests

    private func take(_ request: IQ) async {
        let reaction = sessions.receive(request)
        try? await channel.send(reaction.answer.element)
        guard let id = reaction.session else { return }
        if case .event(.offered(let contents))? = reaction.actions.first {
            guard takesOffers, isConnected else { return decline(id) }
            let offer = Offer(session: open(id), contents: contents)
            if case .enqueued = offered.yield(offer) {} else { decline(id) }
            perform(Array(reaction.actions.dropFirst()), in: id)
        } else {
            perform(reaction.actions, in: id)
        }
    }

    private func perform(_ actions: [JingleSession.Action], in id: JingleSessionID) {
        for action in actions {
            switch action {
            case .event(let event):
                if case .ended = event {
                    // However much its holder has yet to read, the end gets through.
                    guard let outlet = outlets.removeValue(forKey: id) else { break }
                    outlet.events.putLast(event)
                    close(outlet)
                } else if outlets[id]?.events.put(event) == false {
                    cutOff(id)
                }
            case .request(let key, let stanza):
                if stanza.action == .sessionTerminate {
                    task.perform { await self.deliver(stanza, to: id.peer) }
                } else {
                    outlets[id]?.requests.yield((key, stanza))
                }
            }
        }
    }

    private func cutOff(_ id: JingleSessionID) {
        task.perform { await self.terminate(id, Reason(.generalError)) }
    }

    private func decline(_ id: JingleSessionID) {
        // Not waited for here, since the next request must not wait either.
        task.perform { await self.terminate(id, Reason(.busy)) }
    }

    /// The stream has ended: nothing more will be heard of any session, though the bytes may still flow.
    private func disconnected() {
        isConnected = false
        offered.finish()
        for outlet in outlets.values { close(outlet) }
        outlets = [:]
    }

    private func open(_ id: JingleSessionID) -> JingleSessionHandle {
        let events = Mailbox<JingleEvent?>(limit: Self.eventLimit)
        let (requests, requestContinuation) = AsyncStream.makeStream(
            of: (JingleSession.RequestKey, JingleStanza).self)
        let (end, endContinuation) = AsyncStream.makeStream(of: Void.self)
        let outlet = Outlet(events: events, requests: requestContinuation, end: endContinuation)
        if isConnected {
            outlets[id] = outlet
            task.perform { await self.sendRequests(requests, of: id) }
        } else {
            close(outlet)
        }
        let reader = AsyncStream { try? await events.next() ?? nil }
        return JingleSessionHandle(id: id, events: reader, end: end, host: self)
    }

    private func close(_ outlet: Outlet) {
        outlet.end.finish()
        outlet.events.putLast(nil)
        outlet.requests.finish()
    }

    /// Sends a session's requests one after the other, so that none overtakes another.
    ///
    /// A session-info is not waited for: Libervia leaves some unanswered.
    private func sendRequests(
        _ requests: AsyncStream<(JingleSession.RequestKey, JingleStanza)>, of id: JingleSessionID
    ) async {
        for await (key, stanza) in requests where outlets[id] != nil {
            if stanza.action == .sessionInfo {
                task.perform { await self.send(stanza, key, of: id) }
            } else {
                await send(stanza, key, of: id)
            }
        }
    }

    private func send(_ stanza: JingleStanza, _ key: JingleSession.RequestKey, of id: JingleSessionID) async {
        do {
            try await channel.request(.set, to: id.peer, payload: stanza.element, timeout: Self.requestTimeout)
            perform(sessions.receiveResult(for: key, in: id), in: id)
        } catch let error as StanzaError {
            perform(sessions.receiveFailure(.refused(error), for: key, in: id), in: id)
        } catch StanzaChannelError.closed {
            disconnected()
        } catch {
            perform(sessions.receiveFailure(.unanswered, for: key, in: id), in: id)
        }
    }

    private nonisolated func deliver(_ stanza: JingleStanza, to peer: JID, waits: Bool = true) async {
        // A stream that has no connection now keeps requests until it has one. There is nobody left to tell of a failure.
        _ = try? await within(Self.terminateTimeout) {
            let answer = try await self.channel.sendRequest(
                .set, to: peer, payload: stanza.element, timeout: Self.terminateTimeout)
            if waits { _ = try await answer.payload }
        }
    }
}
