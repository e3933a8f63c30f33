// XEP-0166 § 6 and § 7.2.16: many sessions at once.
public import XMPP

/// The sessions of one stream, and the way of each incoming request to its own.
public struct JingleSessions: Sendable {
    /// What an incoming request leads to.
    public struct Reaction: Sendable, Hashable {
        /// The answer, to be sent first.
        public var answer: IQ
        /// The session concerned; `nil` when the request is refused before it reaches one.
        public var session: JingleSessionID?
        /// What to do after the answer, in this session.
        public var actions: [JingleSession.Action]
    }

    /// This side's full address.
    public let localAddress: JID
    /// How many sessions there may be; an offer beyond it is answered with `resource-constraint`.
    public let maximumCount: Int
    /// How many of them one bare address may have offered, so that no peer takes all the room.
    public let maximumCountPerPeer: Int
    private var sessions: [JingleSessionID: JingleSession] = [:]

    /// Creates an empty table.
    public init(localAddress: JID, maximumCount: Int = 64, maximumCountPerPeer: Int = 16) {
        self.localAddress = localAddress
        self.maximumCount = maximumCount
        self.maximumCountPerPeer = maximumCountPerPeer
    }

    /// A session that is not over.
    public subscript(id: JingleSessionID) -> JingleSession? { sessions[id] }

    /// The sessions that are not over.
    public var ids: Set<JingleSessionID> { Set(sessions.keys) }

    /// Offers a session to a peer.
    ///
    /// - Throws: `JingleCommandError` when a content is incomplete, the identifier is in use, or there are too many
    ///   sessions.
    public mutating func initiate(
        _ contents: [Content], sid: String, to peer: JID
    ) throws(JingleCommandError) -> (JingleSessionID, [JingleSession.Action]) {
        let id = JingleSessionID(peer: peer, sid: sid)
        guard sessions[id] == nil else { throw .outOfOrder }
        guard sessions.count < maximumCount else { throw .limitReached }
        let (session, actions) = try JingleSession.initiate(contents, sid: sid, from: localAddress, to: peer)
        sessions[id] = session
        return (id, actions)
    }

    /// Gives a command to a session. A session that ends by it leaves the table.
    ///
    /// - Throws: `JingleCommandError` when there is no such session, or what the command throws.
    public mutating func command(
        _ id: JingleSessionID, _ command: (inout JingleSession) throws(JingleCommandError) -> [JingleSession.Action]
    ) throws(JingleCommandError) -> [JingleSession.Action] {
        guard var session = sessions[id] else { throw .outOfOrder }
        let actions = try command(&session)
        sessions[id] = session.isEnded ? nil : session
        return actions
    }

    /// Ends every session; for when the program stops.
    public mutating func terminateAll(_ reason: Reason) -> [(JingleSessionID, [JingleSession.Action])] {
        defer { sessions = [:] }
        return sessions.map { id, session in
            var session = session
            return (id, session.terminate(reason))
        }
    }

    /// Takes an IQ of type `get` or `set` whose payload is in the namespace of Jingle.
    ///
    /// A session answers only to the peer's full address; anybody else learns no more than that it is unknown. Of two
    /// session-initiates that cross for the same purpose, the one with the lower identifier wins (§ 7.2.16). If both
    /// have the same identifier, which random ones never have, both are refused: they could not be told apart.
    public mutating func receive(_ request: IQ) -> Reaction {
        func refuse(_ error: StanzaError) -> Reaction {
            Reaction(
                answer: IQ(to: request.from, id: request.id, content: .error(error)), session: nil, actions: [])
        }
        guard case .set(let element) = request.content, let peer = request.from, peer != localAddress else {
            return refuse(StanzaError(.badRequest, kind: .modify))
        }
        let stanza: JingleStanza
        do throws(JingleSyntaxError) {
            stanza = try JingleStanza(element)
        } catch {
            return refuse(error.stanzaError)
        }
        let id = JingleSessionID(peer: peer, sid: stanza.sid)
        let reaction: JingleSession.Reaction
        if var session = sessions[id] {
            reaction = session.receive(stanza)
            sessions[id] = session.isEnded ? nil : session
        } else if stanza.action == .sessionInitiate {
            if let error = objection(to: stanza, from: peer) { return refuse(error) }
            let (session, offerReaction) = JingleSession.receive(stanza, from: peer, to: localAddress)
            reaction = offerReaction
            if let session, !session.isEnded { sessions[id] = session }
        } else {
            return refuse(JingleErrorCondition.unknownSession.stanzaError)
        }
        switch reaction.answer {
        case .refuse(let error):
            return refuse(error)
        case .acknowledge:
            return Reaction(
                answer: IQ(to: peer, id: request.id, content: .result(nil)), session: id, actions: reaction.actions)
        }
    }

    /// Takes the result of a request. What belongs to no session any more is ignored.
    public mutating func receiveResult(
        for key: JingleSession.RequestKey, in id: JingleSessionID
    ) -> [JingleSession.Action] {
        (try? command(id) { session throws(JingleCommandError) in session.receiveResult(for: key) }) ?? []
    }

    /// Takes the failure of a request. What belongs to no session any more is ignored.
    public mutating func receiveFailure(
        _ failure: JingleRequestFailure, for key: JingleSession.RequestKey, in id: JingleSessionID
    ) -> [JingleSession.Action] {
        (try? command(id) { session throws(JingleCommandError) in session.receiveFailure(failure, for: key) }) ?? []
    }

    // MARK: New sessions

    private func objection(to stanza: JingleStanza, from peer: JID) -> StanzaError? {
        let isOverruled = sessions.contains { id, session in
            id.peer == peer && session.role == .initiator && session.isInitiateUnanswered
                && id.sid.isLower(than: stanza.sid)
                && session.contents.contains { own in stanza.contents.contains { own.isEquivalent(toOffer: $0) } }
        }
        if isOverruled { return JingleErrorCondition.tieBreak.stanzaError }
        let offeredByPeer = sessions.count { $0.key.peer.bare == peer.bare && $0.value.role == .responder }
        guard sessions.count < maximumCount, offeredByPeer < maximumCountPerPeer else {
            return StanzaError(.resourceConstraint, kind: .wait)
        }
        return nil
    }
}

extension Content {
    /// True when a content offered to us is for the same purpose as this one, which we offered (§ 7.2.16).
    ///
    /// Two files that cross are two files. They are one when the same data would flow the same way: one side offers
    /// what the other asks for.
    fileprivate func isEquivalent(toOffer other: Content) -> Bool {
        guard description?.namespace == other.description?.namespace else { return false }
        guard let file, let otherFile = other.file else { return true }
        return JingleRole.allCases.allSatisfy { direction.includes($0) == other.direction.includes($0.opposite) }
            && file.name == otherFile.name
    }
}
