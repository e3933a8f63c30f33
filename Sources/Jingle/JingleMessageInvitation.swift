// XEP-0353 § 3: the responder's side, as a state machine.
public import XMPP

/// A session that a peer proposed to this account, as one of its devices sees it.
///
/// Nothing is sent before the application says so: any answer shows the peer that the account is on line (§ 7).
/// Proposals that cross, or come while a session is on (§ 4), all stand here: that rule is for calls, while two files
/// on their way at the same time are two files.
public struct JingleMessageInvitation: Sendable {
    /// Something to do.
    public enum Action: Sendable, Hashable {
        /// Send this to that address.
        case send(JingleMessage, to: JID)
        /// The peer withdrew the proposal, or another device was faster.
        case retracted(Reason?)
        /// Another device of this account took the session.
        case takenElsewhere(JID)
        /// Another device of this account rejected the session.
        case rejectedElsewhere(Reason?)
        /// The peer says the session is over.
        case finished(Reason?)
    }

    private enum State: Sendable, Hashable { case proposed, ringing, proceeding, ended }

    /// The identifier, also of the session that follows.
    public let id: String
    /// The device of the peer that proposed; the one whose session-initiate is to be expected.
    public let initiator: JID
    /// What is proposed.
    public let descriptions: [ContentDescription]
    private var state = State.proposed

    /// Takes a proposal; `nil` when the message is none, has no full address, or was stored while this device was
    /// off-line: whoever proposed has stopped waiting long ago (§ 5).
    public init?(_ message: JingleMessage, from initiator: JID, isDelayed: Bool) {
        guard case .propose(let descriptions) = message.content, !initiator.isBare, !isDelayed else { return nil }
        id = message.id
        self.initiator = initiator
        self.descriptions = descriptions
    }

    /// True when nothing more can happen.
    public var isEnded: Bool { state == .ended }

    /// True once this device has taken the session, which `initiator` may now start with this identifier.
    public var isProceeding: Bool { state == .proceeding }

    /// Takes a message of the peer; one of another identifier or device changes nothing.
    public mutating func receive(_ message: JingleMessage, from sender: JID) -> [Action] {
        guard message.id == id, sender == initiator else { return [] }
        switch message.content {
        case .retract(let reason, _):
            switch state {
            case .proposed, .ringing, .proceeding:
                state = .ended
                return [.retracted(reason)]
            case .ended: return []
            }
        case .finish(let reason, _):
            switch state {
            case .proposed, .ringing, .proceeding:
                state = .ended
                return [.finished(reason)]
            case .ended: return []
            }
        case .propose, .ringing, .proceed, .reject, .accept:
            return []
        }
    }

    /// Takes a message that another device of the own account sent, known from a carbon copy, or because it was
    /// sent to the own account as version 0.3 has it.
    public mutating func receiveFromOwnAccount(_ message: JingleMessage, by device: JID) -> [Action] {
        guard message.id == id else { return [] }
        switch state {
        case .proposed, .ringing:
            switch message.content {
            case .proceed, .accept:
                state = .ended
                return [.takenElsewhere(device)]
            case .reject(let reason, _):
                state = .ended
                return [.rejectedElsewhere(reason)]
            case .propose, .ringing, .retract, .finish:
                return []
            }
        case .proceeding, .ended:
            return []
        }
    }

    /// Says that the user is being asked (§ 3.2).
    public mutating func ring() -> [Action] {
        switch state {
        case .proposed:
            state = .ringing
            return [send(.ringing)]
        case .ringing, .proceeding, .ended:
            return []
        }
    }

    /// Takes the session on this device (§ 3.4).
    public mutating func proceed() -> [Action] {
        switch state {
        case .proposed, .ringing:
            state = .proceeding
            return [send(.proceed)]
        case .proceeding, .ended:
            return []
        }
    }

    /// Rejects the session for all devices (§ 3.5). Reasons other than `busy` tell the peer more than it may need.
    public mutating func reject(_ reason: Reason = Reason(.busy)) -> [Action] {
        switch state {
        case .proposed, .ringing:
            state = .ended
            return [send(.reject(reason, isTieBreak: false))]
        case .proceeding, .ended:
            return []
        }
    }

    /// Says that the session is over (§ 3.7).
    public mutating func finish(_ reason: Reason) -> [Action] {
        switch state {
        case .proceeding:
            state = .ended
            return [send(.finish(reason, migratedTo: nil))]
        case .proposed, .ringing, .ended:
            return []
        }
    }

    private func send(_ content: JingleMessage.Content) -> Action {
        .send(JingleMessage(id: id, content), to: initiator)
    }
}
