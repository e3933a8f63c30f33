// XEP-0166 § 7.2: the actions, as the peer takes them.
import XML
import XMPP

extension JingleSession {
    /// Takes a request of the peer.
    ///
    /// The caller has made sure that the request comes from `peer` and names this session; `JingleSessions` does.
    public mutating func receive(_ stanza: JingleStanza) -> Reaction {
        let before = self
        do throws(StanzaError) {
            return Reaction(answer: .acknowledge, actions: try react(to: stanza))
        } catch {
            // A refused request changes nothing, however far its reading came.
            self = before
            return Reaction(answer: .refuse(error))
        }
    }

    private mutating func react(to stanza: JingleStanza) throws(StanzaError) -> [Action] {
        switch state {
        case .ended: throw JingleErrorCondition.unknownSession.stanzaError
        case .pending, .active: break
        }
        switch stanza.action {
        case .sessionInitiate: throw JingleErrorCondition.outOfOrder.stanzaError
        case .sessionAccept: return try receiveAccept(stanza)
        case .sessionTerminate: return [end(.peer(stanza.reason))]
        case .sessionInfo: return try receiveInfo(stanza)
        case .contentAdd: return try receiveAdd(stanza)
        case .contentAccept: return try receiveContentAccept(stanza)
        case .contentReject: return try receiveContentReject(stanza)
        case .contentRemove: return try receiveContentRemove(stanza)
        case .contentModify: return try receiveModify(stanza)
        case .descriptionInfo: return try receiveDescriptionInfo(stanza)
        case .securityInfo:
            // No precondition is ever agreed on, so there is none to be told about (§ 6.7).
            for content in stanza.contents { _ = try entry(content.id) }
            throw JingleErrorCondition.unsupportedInfo.stanzaError
        case .transportInfo: return try receiveTransportInfo(stanza)
        case .transportReplace: return try receiveReplace(stanza)
        case .transportAccept: return try receiveTransportAccept(stanza)
        case .transportReject: return try receiveTransportReject(stanza)
        }
    }

    // MARK: Offers and answers

    mutating func receiveOffer(_ contents: [Content], _ offer: ContentTable.Offer) throws(StanzaError) -> [Action] {
        let usable = contents.filter { $0.security == nil }
        let secured = contents.filter { $0.security != nil }
        do throws(JingleCommandError) {
            var checked = table
            try checked.offer(contents, by: role.opposite, offer)
            if !usable.isEmpty { try table.offer(usable, by: role.opposite, offer) }
        } catch {
            throw error == .limitReached
                ? JingleSyntaxError.tooMany("content").stanzaError : JingleSyntaxError.invalid("content").stanzaError
        }
        var actions: [Action] = []
        if !usable.isEmpty {
            actions.append(.event(offer == .withSession ? .offered(usable) : .contentsAdded(usable)))
        }
        if table.isEmpty { return endLocally(Reason(.securityError)) }
        if !secured.isEmpty {
            let contents = secured.map { Content($0.id) }
            actions.append(
                request(JingleStanza(.contentReject, sid: sid, contents: contents, reason: Reason(.securityError))))
        }
        return actions
    }

    private mutating func receiveAdd(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        if role == .initiator, isWaiting(for: .contentAdd) { throw JingleErrorCondition.tieBreak.stanzaError }
        guard pendingRequests.count < JingleLimit.pendingRequestCount else {
            throw StanzaError(.resourceConstraint, kind: .wait)
        }
        return try receiveOffer(stanza.contents, .later)
    }

    private mutating func receiveAccept(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        guard role == .initiator, state == .pending else { throw JingleErrorCondition.outOfOrder.stanzaError }
        let accepted = try acceptOwn(stanza) { $0 != .accepted }
        let omitted = table.waitingForSession()
        for id in omitted { table[id] = nil }
        state = .active
        if stanza.contents.contains(where: { $0.security != nil }) { return endLocally(Reason(.securityError)) }
        let actions = [Action.event(.accepted(accepted))]
        return omitted.isEmpty ? actions : actions + drop(.contentsRejected(omitted, stanza.reason), stanza.reason)
    }

    private mutating func receiveContentAccept(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        let accepted = try acceptOwn(stanza) { $0 == .offered(.later) }
        if stanza.contents.contains(where: { $0.security != nil }) { return endLocally(Reason(.securityError)) }
        return [.event(.contentsAccepted(accepted))]
    }

    /// Marks contents of ours as accepted. Who sends stays as offered: Gajim answers `both` to `initiator`.
    private mutating func acceptOwn(
        _ stanza: JingleStanza, where isOpen: (ContentTable.Status) -> Bool
    ) throws(StanzaError) -> [Content] {
        let answers = try concerned(stanza)
        for answer in answers {
            var entry = try entry(answer.id)
            guard answer.id.creator == role, isOpen(entry.status) else {
                throw JingleErrorCondition.outOfOrder.stanzaError
            }
            guard let transport = answer.transport else { throw JingleSyntaxError.missing("transport").stanzaError }
            guard entry.isNegotiating(transport) else { throw JingleSyntaxError.invalid("transport").stanzaError }
            if let description = answer.description, description.namespace != entry.content.description?.namespace {
                throw JingleSyntaxError.invalid("description").stanzaError
            }
            entry.status = .accepted
            table[answer.id] = entry
        }
        return answers
    }

    private mutating func receiveContentReject(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        let rejected = try concerned(stanza).map(\.id)
        for id in rejected {
            guard try entry(id).status != .accepted, id.creator == role else {
                throw JingleErrorCondition.outOfOrder.stanzaError
            }
            table[id] = nil
        }
        return rejected.isEmpty ? [] : drop(.contentsRejected(rejected, stanza.reason), stanza.reason)
    }

    private mutating func receiveContentRemove(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        var removed: [ContentID] = []
        for content in try nonEmpty(stanza.contents) {
            if table[content.id] == nil, isWaiting(for: .contentRemove, about: content.id) {
                // Both sides removed it. The initiator's removal counts (§ 7.2.16); it is gone either way.
                if role == .initiator { throw JingleErrorCondition.tieBreak.stanzaError }
                continue
            }
            if isDropping(content.id) { continue }
            _ = try entry(content.id)
            table[content.id] = nil
            removed.append(content.id)
        }
        return removed.isEmpty ? [] : drop(.contentsRemoved(removed, stanza.reason), stanza.reason)
    }

    /// Tells about contents the peer dropped, and ends the session when none is left: it is void (§ 7.2.4, § 7.2.5).
    private mutating func drop(_ event: JingleEvent, _ reason: Reason?) -> [Action] {
        let actions = [Action.event(event)]
        return table.isEmpty ? actions + endLocally(Reason(reason?.condition ?? .cancel), as: .peer(reason)) : actions
    }

    private mutating func receiveModify(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        var actions: [Action] = []
        for content in try concerned(stanza) {
            _ = try entry(content.id)
            guard let senders = content.senders else { throw JingleSyntaxError.missing("senders").stanzaError }
            if role == .initiator, isWaiting(for: .contentModify, about: content.id) {
                throw JingleErrorCondition.tieBreak.stanzaError
            }
            table[content.id]?.content.senders = senders
            overrule(.contentModify, about: content.id)
            actions.append(.event(.sendersChanged(content.id, senders)))
        }
        return actions
    }

    // MARK: Information

    private func receiveInfo(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        if stanza.payload.isEmpty { return [] }
        var actions: [Action] = []
        for element in stanza.payload {
            switch try syntax({ () throws(JingleSyntaxError) in try SessionInfo(element) }) {
            case .checksum(let reference, let file):
                actions.append(.event(.checksum(try content(reference) { $0.file != nil }, file)))
            case .received(let reference):
                actions.append(.event(.received(try content(reference) { $0.file != nil })))
            case .delivered(let reference, let byteCount):
                let id = try content(reference) { $0.description == .stream }
                actions.append(.event(.delivered(id, byteCount: byteCount)))
            case .stopped(let reference):
                actions.append(.event(.stopped(try content(reference) { $0.description == .stream })))
            case .unknown: break
            }
        }
        guard !actions.isEmpty else { throw JingleErrorCondition.unsupportedInfo.stanzaError }
        return actions
    }

    /// The one content of an application that a reference may mean.
    private func content(
        _ reference: SessionInfo.ContentReference, of isOfApplication: (Content) -> Bool
    ) throws(StanzaError) -> ContentID {
        let matches = table.contents.filter { isOfApplication($0) && reference.matches($0.id) }
        guard matches.count == 1, let id = matches.first?.id else {
            throw JingleSyntaxError.invalid("name").stanzaError
        }
        return id
    }

    private func receiveDescriptionInfo(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        var actions: [Action] = []
        for content in try concerned(stanza) {
            let entry = try entry(content.id)
            guard let description = content.description else {
                throw JingleSyntaxError.missing("description").stanzaError
            }
            guard case .fileTransfer = description, description.namespace == entry.content.description?.namespace else {
                throw JingleErrorCondition.unsupportedInfo.stanzaError
            }
            actions.append(.event(.descriptionInfo(content.id, description)))
        }
        return actions
    }

    // MARK: Checks

    /// The contents of a request, without those whose removal or rejection by us the peer has not seen yet.
    func concerned(_ stanza: JingleStanza) throws(StanzaError) -> [Content] {
        try nonEmpty(stanza.contents).filter { !isDropping($0.id) }
    }

    /// True while the peer may not have seen that we removed or rejected a content.
    private func isDropping(_ id: ContentID) -> Bool {
        table[id] == nil && (isWaiting(for: .contentRemove, about: id) || isWaiting(for: .contentReject, about: id))
    }

    /// Forgets what a request of ours was about, since the peer's took its place: its failure has nothing to undo.
    mutating func overrule(_ action: JingleAction, about id: ContentID) {
        for (key, request) in pendingRequests where request.action == action {
            pendingRequests[key]?.contents.removeAll { $0 == id }
        }
    }

    private func nonEmpty(_ contents: [Content]) throws(StanzaError) -> [Content] {
        guard !contents.isEmpty else { throw JingleSyntaxError.missing("content").stanzaError }
        return contents
    }

    func entry(_ id: ContentID) throws(StanzaError) -> ContentTable.Entry {
        guard let entry = table[id] else {
            throw StanzaError(.badRequest, kind: .cancel, text: "no such content")
        }
        return entry
    }

    func transport(of content: Content) throws(StanzaError) -> ContentTransport {
        guard let transport = content.transport else { throw JingleSyntaxError.missing("transport").stanzaError }
        return transport
    }

    private func syntax<Value>(_ read: () throws(JingleSyntaxError) -> Value) throws(StanzaError) -> Value {
        do { return try read() } catch { throw error.stanzaError }
    }
}
