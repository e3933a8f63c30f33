// XEP-0353 § 3: the proposer's side, as a state machine.
public import XMPP

/// A session proposed to all devices of a peer, until one of them takes it, and until it is over.
///
/// The machine has no clock: whoever owns it calls `retract` when nobody answers in time.
public struct JingleMessageProposal: Sendable {
    /// Something to do.
    public enum Action: Sendable, Hashable {
        /// Send this to that address.
        case send(JingleMessage, to: JID)
        /// A device of the peer asks its user.
        case ringing(JID)
        /// That device takes the session: start it with the proposal's identifier.
        case proceed(JID)
        /// The peer does not want it.
        case rejected(Reason?)
        /// A proposal of the peer's crossed this one and replaces it (§ 4.1).
        case overruled
        /// The proposal could not be delivered.
        case undeliverable(StanzaError)
        /// The device that took the session says it is over.
        case finished(Reason?)
    }

    private enum State: Sendable, Hashable {
        case proposed(ringing: [JID])
        case proceeding(with: JID)
        case ended
    }

    /// The identifier, also of the session that follows.
    public let id: String
    /// Whom it is proposed to: all their devices, or one.
    public let peer: JID
    private var state = State.proposed(ringing: [])

    /// Proposes a session.
    ///
    /// For Libervia a file's description must have `hashesUsed`, and no hash (see `FileDescription`).
    ///
    /// - Parameters:
    ///   - id: the identifier, globally unique: a random UUID.
    ///   - peer: the peer's bare address, or the full one of a device.
    public static func propose(
        _ descriptions: [ContentDescription], id: String, to peer: JID
    ) -> (JingleMessageProposal, [Action]) {
        let proposal = JingleMessageProposal(id: id, peer: peer)
        return (proposal, [.send(JingleMessage(id: id, .propose(descriptions)), to: peer)])
    }

    private init(id: String, peer: JID) {
        self.id = id
        self.peer = peer
    }

    /// True when nothing more can happen.
    public var isEnded: Bool { state == .ended }

    /// The device that took the session.
    public var device: JID? {
        if case .proceeding(let device) = state { device } else { nil }
    }

    /// Takes a message; one of another identifier or account changes nothing.
    public mutating func receive(_ message: JingleMessage, from sender: JID) -> [Action] {
        guard message.id == id, peer.isBare ? sender.bare == peer : sender == peer else { return [] }
        switch state {
        case .proposed(let ringing):
            switch message.content {
            case .ringing:
                guard !sender.isBare, !ringing.contains(sender), ringing.count < Self.maximumDeviceCount else {
                    return []
                }
                state = .proposed(ringing: ringing + [sender])
                return [.ringing(sender)]
            case .proceed:
                guard !sender.isBare else { return [] }
                state = .proceeding(with: sender)
                return [.proceed(sender)] + ringing.filter { $0 != sender }.map(isTaken)
            case .reject(let reason, let isTieBreak):
                state = .ended
                return [isTieBreak ? .overruled : .rejected(reason)] + ringing.filter { $0 != sender }.map(isTaken)
            case .finish(let reason, _):
                state = .ended
                return [.rejected(reason)]
            case .propose, .retract, .accept:
                return []
            }
        case .proceeding(let device):
            switch message.content {
            case .proceed, .ringing:
                // The first device won; this one would wait for ever.
                return sender == device || sender.isBare ? [] : [isTaken(by: sender)]
            case .finish(let reason, _), .reject(let reason, _):
                guard sender == device else { return [] }
                state = .ended
                return [.finished(reason)]
            case .propose, .retract, .accept:
                return []
            }
        case .ended:
            return []
        }
    }

    /// Takes an error that came back for the proposal.
    public mutating func receive(error: StanzaError) -> [Action] {
        switch state {
        case .proposed:
            state = .ended
            return [.undeliverable(error)]
        case .proceeding, .ended:
            return []
        }
    }

    /// Withdraws the proposal (§ 3.3); nothing once a device has taken it.
    public mutating func retract(_ reason: Reason = Reason(.cancel)) -> [Action] {
        switch state {
        case .proposed:
            state = .ended
            return [.send(JingleMessage(id: id, .retract(reason, isTieBreak: false)), to: peer)]
        case .proceeding, .ended:
            return []
        }
    }

    /// Tells the peer's device, and through copies all others, that the session is over (§ 3.7).
    public mutating func finish(_ reason: Reason) -> [Action] {
        switch state {
        case .proceeding(let device):
            state = .ended
            return [.send(JingleMessage(id: id, .finish(reason, migratedTo: nil)), to: device)]
        case .proposed, .ended:
            return []
        }
    }

    /// Tells a device that another one was first. The XEP leaves this to carbon copies, which not every device asks
    /// for; only that device is addressed, so that the one that won does not take it for the end.
    private func isTaken(by device: JID) -> Action {
        .send(JingleMessage(id: id, .retract(Reason(.expired), isTieBreak: false)), to: device)
    }

    /// How many ringing devices are remembered.
    private static let maximumDeviceCount = 32
}
