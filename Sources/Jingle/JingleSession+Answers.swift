// XEP-0166 § 6.3 and § 10: the answers to this side's requests.
import XMPP

extension JingleSession {
    /// Takes the result of a request. A key that is not, or no longer, waited for is ignored.
    public mutating func receiveResult(for key: RequestKey) -> [Action] {
        pendingRequests[key] = nil
        return []
    }

    /// Takes the failure of a request. A key that is not, or no longer, waited for is ignored.
    ///
    /// The session ends when the peer does not know it (any more), and when session-initiate or session-accept fail.
    /// Otherwise what was asked for is undone, contents in doubt are removed, and the application is told: a path that
    /// works outlives a stanza that was lost.
    public mutating func receiveFailure(_ failure: JingleRequestFailure, for key: RequestKey) -> [Action] {
        guard let request = pendingRequests.removeValue(forKey: key) else { return [] }
        if case .refused(let error) = failure, Self.saysSessionIsUnknown(error) {
            return [end(.failed(request.action, failure))]
        }
        switch request.action {
        case .sessionInitiate:
            guard case .unanswered = failure else { return [end(.failed(request.action, failure))] }
            // The peer may yet have the session.
            return endLocally(Reason(.timeout), as: .failed(request.action, failure))
        case .sessionAccept:
            return endLocally(Reason(.generalError), as: .failed(request.action, failure))
        case .contentAdd:
            return remove(request.contents.filter { table[$0]?.status == .offered(.later) }, after: request, failure)
        case .contentAccept, .transportAccept:
            // The peer and we do not agree on what is in use, unless the content is gone since.
            return remove(request.contents.filter { table[$0] != nil }, after: request, failure)
        case .contentModify:
            for id in request.contents { table[id]?.content.senders = request.previousSenders }
        case .transportReplace:
            for id in request.contents where table[id]?.transportProposed(by: role) != nil {
                table[id]?.replacement = .none
            }
        case .contentReject, .contentRemove, .transportReject, .transportInfo, .descriptionInfo, .securityInfo,
            .sessionInfo, .sessionTerminate:
            break
        }
        if request.contents.isEmpty, request.action != .sessionInfo { return [] }
        return [.event(.requestFailed(request.action, request.contents, failure))]
    }

    /// Drops contents on which the parties do not agree; the peer is told, unless it never took them.
    private mutating func remove(
        _ ids: [ContentID], after failed: PendingRequest, _ failure: JingleRequestFailure
    ) -> [Action] {
        for id in ids { table[id] = nil }
        var actions = [Action.event(.requestFailed(failed.action, ids, failure))]
        if table.isEmpty {
            actions += endLocally(Reason(.cancel), as: .failed(failed.action, failure))
        } else if !ids.isEmpty, failed.action != .contentAdd || failure == .unanswered {
            let contents = ids.map { Content($0) }
            actions.append(
                request(JingleStanza(.contentRemove, sid: sid, contents: contents, reason: Reason(.generalError))))
        }
        return actions
    }

    private static func saysSessionIsUnknown(_ error: StanzaError) -> Bool {
        JingleErrorCondition(error) == .unknownSession
    }
}
