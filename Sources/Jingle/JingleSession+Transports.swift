// XEP-0166 § 7.2.12 to § 7.2.15: transport-accept, -info, -reject and -replace, as the peer takes them.
import XMPP

extension JingleSession {
    func receiveTransportInfo(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        var actions: [Action] = []
        for content in try concerned(stanza) {
            let entry = try entry(content.id)
            let transport = try transport(of: content)
            guard entry.isNegotiating(transport) else { throw JingleErrorCondition.outOfOrder.stanzaError }
            actions.append(.event(.transportInfo(content.id, transport)))
        }
        return actions
    }

    mutating func receiveReplace(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        var actions: [Action] = []
        for content in try concerned(stanza) {
            let transport = try transport(of: content)
            switch try entry(content.id).replacement {
            case .none: break
            case .proposed(_, by: role.opposite): throw JingleErrorCondition.outOfOrder.stanzaError
            case .proposed:
                // Both sides want another transport. The initiator's proposal counts (§ 7.2.16).
                if role == .initiator { throw JingleErrorCondition.tieBreak.stanzaError }
                overrule(.transportReplace, about: content.id)
                actions.append(.event(.transportReplaceRejected(content.id, nil)))
            }
            table[content.id]?.replacement = .proposed(transport, by: role.opposite)
            actions.append(.event(.transportReplaceOffered(content.id, transport)))
        }
        return actions
    }

    mutating func receiveTransportAccept(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        var actions: [Action] = []
        for content in try concerned(stanza) {
            guard let proposed = try entry(content.id).transportProposed(by: role) else {
                throw JingleErrorCondition.outOfOrder.stanzaError
            }
            let transport = try transport(of: content)
            guard transport.namespace == proposed.namespace else {
                throw JingleSyntaxError.invalid("transport").stanzaError
            }
            table[content.id]?.content.transport = proposed
            table[content.id]?.replacement = .none
            actions.append(.event(.transportReplaceAccepted(content.id, transport)))
        }
        return actions
    }

    mutating func receiveTransportReject(_ stanza: JingleStanza) throws(StanzaError) -> [Action] {
        var actions: [Action] = []
        for content in try concerned(stanza) {
            guard try entry(content.id).transportProposed(by: role) != nil else {
                throw JingleErrorCondition.outOfOrder.stanzaError
            }
            table[content.id]?.replacement = .none
            actions.append(.event(.transportReplaceRejected(content.id, stanza.reason)))
        }
        return actions
    }
}
