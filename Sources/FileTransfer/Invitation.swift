// XEP-0353: asking all devices of a peer, and going on with the one that takes the offer.
import Client
import Jingle
import XML
import XMPP

/// A session proposed to a bare address, until a device takes it.
struct Invitation {
    /// How long a first sign of life may take. Nobody may be there, and nothing says so.
    private static let ringingTimeout = Duration.seconds(15)
    /// How long the people there may think about it.
    private static let answerTimeout = Duration.seconds(180)

    /// The peer's bare address.
    let peer: JID
    let client: XMPPClient
    let report: @Sendable (TransferEvent) -> Void

    private enum Input: Sendable {
        case message(JingleMessage, from: JID)
        case error(StanzaError)
        case noRinging
        case noAnswer
    }

    /// Returns the device that takes the session, which is then to be started with that identifier, and the proposal,
    /// to be finished if no session follows.
    ///
    /// - Throws: `TransferError`, `StanzaChannelError`, `CancellationError`; the proposal is then withdrawn.
    func send(_ descriptions: [ContentDescription], id: String) async throws -> (JID, JingleMessageProposal) {
        var (proposal, actions) = JingleMessageProposal.propose(descriptions, id: id, to: peer)
        do {
            let (inputs, continuation) = AsyncStream.makeStream(of: Input.self, bufferingPolicy: .bufferingOldest(256))
            let messages = client.messages(withChildIn: JingleMessage.namespace)
            let errors = client.messages(withChildIn: Namespace.client)
            return try await withThrowingTaskGroup { group in
                group.addTask {
                    for await message in messages {
                        guard let message = try? Message(message), message.kind != .error, let sender = message.from,
                            let content = try? JingleMessage(message)
                        else { continue }
                        continuation.yield(.message(content, from: sender))
                    }
                    continuation.finish()
                }
                group.addTask {
                    for await message in errors {
                        guard message["id"] == id, message["type"] == "error", let error = message.first("error")
                        else { continue }
                        continuation.yield(.error(StanzaError(error)))
                    }
                }
                group.addTask {
                    try await Task.sleep(for: Self.ringingTimeout)
                    continuation.yield(.noRinging)
                    try await Task.sleep(for: Self.answerTimeout - Self.ringingTimeout)
                    continuation.yield(.noAnswer)
                }
                defer { group.cancelAll() }
                _ = try await perform(actions, stanzaID: id)
                report(.inviting(peer))
                var isRinging = false
                for await input in inputs {
                    switch input {
                    case .message(let message, let sender): actions = proposal.receive(message, from: sender)
                    case .error(let error): actions = proposal.receive(error: error)
                    case .noRinging where isRinging: continue
                    case .noRinging: throw TransferError.peerOffline(peer)
                    case .noAnswer: throw TransferError.notAnswered(peer)
                    }
                    if actions.contains(where: \.isRinging) { isRinging = true }
                    if let device = try await perform(actions) { return (device, proposal) }
                }
                try Task.checkCancellation()
                throw TransferError.serverConnectionLost("it closed while \(peer) was being asked")
            }
        } catch {
            let client = client
            let withdrawal = proposal.retract()
            // A task of its own, because this one may be cancelled, and the peer's devices still ring.
            await Task {
                for case .send(let message, let recipient) in withdrawal {
                    try? await client.send(message.message(to: recipient).element)
                }
            }.value
            throw error
        }
    }

    /// Carries actions out; returns the device that takes the session, if that is one of them.
    private func perform(_ actions: [JingleMessageProposal.Action], stanzaID: String? = nil) async throws -> JID? {
        var device: JID?
        for action in actions {
            switch action {
            case .send(let message, let recipient):
                try await client.send(message.message(to: recipient, stanzaID: stanzaID).element)
            case .ringing(let ringing): report(.ringing(ringing))
            case .proceed(let proceeding): device = proceeding
            case .rejected(let reason): throw TransferError.declined(peer, reason?.text)
            case .overruled: throw TransferError.declined(peer, nil)
            case .undeliverable(let error): throw TransferError.peerNotFound(peer, error)
            case .finished: break
            }
        }
        return device
    }
}

extension JingleMessageProposal.Action {
    fileprivate var isRinging: Bool {
        if case .ringing = self { true } else { false }
    }
}
