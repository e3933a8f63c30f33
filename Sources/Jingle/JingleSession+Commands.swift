// XEP-0166 § 7.2: the actions, as this side takes them.
public import XML

extension JingleSession {
    /// Accepts the session (session-accept).
    ///
    /// - Parameter answers: the contents to accept, with this side's descriptions and transports; those left out
    ///   are rejected by that.
    /// - Throws: `JingleCommandError` when we are not the responder of a pending session, or an answer is to no
    ///   offer, or has another transport.
    public mutating func accept(_ answers: [Content]) throws(JingleCommandError) -> [Action] {
        guard role == .responder, state == .pending else { throw .outOfOrder }
        try checkRoomForRequest()
        try accept(answers) { $0 != .accepted }
        for id in table.waitingForSession() { table[id] = nil }
        state = .active
        var stanza = JingleStanza(.sessionAccept, sid: sid, contents: answers)
        stanza.responder = localAddress
        return [request(stanza)]
    }

    /// Ends the session (session-terminate). For a session that is over this does nothing.
    public mutating func terminate(_ reason: Reason) -> [Action] {
        state == .ended ? [] : endLocally(reason)
    }

    /// Tells something about the session (session-info). Never wait for the result: Libervia may not send one.
    ///
    /// - Parameter info: the payload; `nil` asks whether the session still exists.
    /// - Throws: `JingleCommandError` when the session is over.
    public mutating func sendInfo(_ info: SessionInfo?) throws(JingleCommandError) -> [Action] {
        try checkRoomForRequest()
        return [request(JingleStanza(.sessionInfo, sid: sid, payload: info.map { [$0.element] } ?? []), about: [])]
    }

    /// Adds contents (content-add), each made by this side, with description and transport.
    ///
    /// - Throws: `JingleCommandError` when the session is over, a name is taken, or there are too many contents.
    public mutating func addContents(_ contents: [Content]) throws(JingleCommandError) -> [Action] {
        try checkRoomForRequest()
        var table = table
        try table.offer(contents, by: role, .later)
        self.table = table
        return [request(JingleStanza(.contentAdd, sid: sid, contents: contents))]
    }

    /// Accepts contents the peer added (content-accept), with this side's descriptions and transports.
    ///
    /// - Throws: `JingleCommandError` when a content was not added by the peer, or an answer has another transport.
    public mutating func acceptContents(_ answers: [Content]) throws(JingleCommandError) -> [Action] {
        try checkRoomForRequest()
        try accept(answers) { $0 == .offered(.later) }
        return [request(JingleStanza(.contentAccept, sid: sid, contents: answers))]
    }

    /// Marks contents of the peer as accepted: all of them, or none.
    private mutating func accept(
        _ answers: [Content], where isOpen: (ContentTable.Status) -> Bool
    ) throws(JingleCommandError) {
        guard !answers.isEmpty else { throw .noContents }
        var table = table
        for answer in answers {
            guard var entry = table[answer.id] else { throw .unknownContent(answer.id) }
            guard answer.id.creator != role, isOpen(entry.status) else { throw .outOfOrder }
            guard let transport = answer.transport, entry.isNegotiating(transport) else {
                throw .invalidContent(answer.id)
            }
            entry.status = .accepted
            table[answer.id] = entry
        }
        self.table = table
    }

    /// Rejects contents the peer offered (content-reject), or ends the session when no other is left.
    ///
    /// - Throws: `JingleCommandError` when a content was not offered by the peer, or is accepted already.
    public mutating func rejectContents(_ ids: [ContentID], _ reason: Reason) throws(JingleCommandError) -> [Action] {
        for id in ids {
            guard let entry = table[id] else { throw .unknownContent(id) }
            guard id.creator != role, entry.status != .accepted else { throw .outOfOrder }
        }
        return try drop(ids, .contentReject, reason)
    }

    /// Removes contents (content-remove), or ends the session when no other is left (XEP-0234 § 4.5).
    ///
    /// - Throws: `JingleCommandError` when there is no such content.
    public mutating func removeContents(_ ids: [ContentID], _ reason: Reason) throws(JingleCommandError) -> [Action] {
        for id in ids where table[id] == nil { throw .unknownContent(id) }
        return try drop(ids, .contentRemove, reason)
    }

    private mutating func drop(
        _ ids: [ContentID], _ action: JingleAction, _ reason: Reason
    ) throws(JingleCommandError) -> [Action] {
        try checkRoomForRequest()
        guard !ids.isEmpty else { throw .noContents }
        for id in ids { table[id] = nil }
        if table.isEmpty { return endLocally(reason) }
        return [request(JingleStanza(action, sid: sid, contents: ids.map { Content($0) }, reason: reason))]
    }

    /// Changes who sends (content-modify).
    ///
    /// - Throws: `JingleCommandError` when there is no such content.
    public mutating func modify(_ id: ContentID, senders: Senders) throws(JingleCommandError) -> [Action] {
        try checkRoomForRequest()
        guard let previous = table[id]?.content.direction else { throw .unknownContent(id) }
        table[id]?.content.senders = senders
        let stanza = JingleStanza(.contentModify, sid: sid, contents: [Content(id, senders: senders)])
        return [request(stanza, previousSenders: previous)]
    }

    /// Gives hints about a description (description-info).
    ///
    /// - Throws: `JingleCommandError` when there is no such content.
    public mutating func sendDescriptionInfo(
        _ id: ContentID, _ description: ContentDescription
    ) throws(JingleCommandError) -> [Action] {
        try send(.descriptionInfo, Content(id, description: description))
    }

    /// Tells about a security precondition (security-info).
    ///
    /// - Throws: `JingleCommandError` when there is no such content.
    public mutating func sendSecurityInfo(_ id: ContentID, _ security: XMLElement) throws(JingleCommandError)
        -> [Action]
    {
        var content = Content(id)
        content.security = security
        return try send(.securityInfo, content)
    }

    /// Tells more about this side's transport, such as candidates (transport-info).
    ///
    /// - Throws: `JingleCommandError` when there is no such content, or it neither uses nor negotiates such a transport.
    public mutating func sendTransportInfo(
        _ id: ContentID, _ transport: ContentTransport
    ) throws(JingleCommandError) -> [Action] {
        if let entry = table[id], !entry.isNegotiating(transport) { throw .invalidContent(id) }
        return try send(.transportInfo, Content(id, transport: transport))
    }

    private mutating func send(_ action: JingleAction, _ content: Content) throws(JingleCommandError) -> [Action] {
        try checkRoomForRequest()
        guard table[content.id] != nil else { throw .unknownContent(content.id) }
        return [request(JingleStanza(action, sid: sid, contents: [content]))]
    }

    /// Proposes other transports (transport-replace). The old ones stay until the peer accepts.
    ///
    /// - Throws: `JingleCommandError` when there is no such content, or a proposal for it is under way.
    public mutating func replaceTransports(
        _ transports: [(ContentID, ContentTransport)]
    ) throws(JingleCommandError) -> [Action] {
        try checkRoomForRequest()
        guard !transports.isEmpty else { throw .noContents }
        var table = table
        for (id, transport) in transports {
            guard var entry = table[id] else { throw .unknownContent(id) }
            guard entry.replacement == .none else { throw .outOfOrder }
            entry.replacement = .proposed(transport, by: role)
            table[id] = entry
        }
        self.table = table
        return [
            request(
                JingleStanza(.transportReplace, sid: sid, contents: transports.map { Content($0.0, transport: $0.1) }))
        ]
    }

    /// Accepts transports the peer proposed (transport-accept), with this side's part of them.
    ///
    /// - Throws: `JingleCommandError` when the peer proposed none for a content, or one of another namespace.
    public mutating func acceptTransports(
        _ transports: [(ContentID, ContentTransport)]
    ) throws(JingleCommandError) -> [Action] {
        try answerProposals(.transportAccept, transports.map { Content($0.0, transport: $0.1) })
    }

    /// Rejects transports the peer proposed (transport-reject), which are repeated in it; the old ones stay.
    ///
    /// - Throws: `JingleCommandError` when the peer proposed none for a content.
    public mutating func rejectTransports(
        _ ids: [ContentID], _ reason: Reason? = nil
    ) throws(JingleCommandError) -> [Action] {
        let contents = ids.map { Content($0, transport: table[$0]?.transportProposed(by: role.opposite)) }
        return try answerProposals(.transportReject, contents, reason)
    }

    private mutating func answerProposals(
        _ action: JingleAction, _ contents: [Content], _ reason: Reason? = nil
    ) throws(JingleCommandError) -> [Action] {
        try checkRoomForRequest()
        guard !contents.isEmpty else { throw .noContents }
        var table = table
        for content in contents {
            guard var entry = table[content.id] else { throw .unknownContent(content.id) }
            guard let proposed = entry.transportProposed(by: role.opposite) else { throw .outOfOrder }
            guard content.transport?.namespace == proposed.namespace else { throw .invalidContent(content.id) }
            if action == .transportAccept { entry.content.transport = proposed }
            entry.replacement = .none
            table[content.id] = entry
        }
        self.table = table
        return [request(JingleStanza(action, sid: sid, contents: contents, reason: reason))]
    }

    private func checkRoomForRequest() throws(JingleCommandError) {
        guard state != .ended else { throw .outOfOrder }
        guard pendingRequests.count < JingleLimit.pendingRequestCount else { throw .limitReached }
    }
}
