// XEP-0353 § 1 and RFC 6121 § 4: the device of a person that gets a file.
import Client
import Jingle
import XMPP

/// Finds the device to offer a session to, when only the person is named.
///
/// All devices are asked with a proposal at once. Clients that know no proposals stay silent then, so meanwhile the
/// devices whose presence is seen are looked at: where none of them takes proposals, the proposal is withdrawn and the
/// best that can receive gets the session, and where none can receive, that is known without waiting.
struct DeviceSearch {
    /// The person's bare address.
    let peer: JID
    let application: TransferApplication
    let permitsOneWayStreams: Bool
    let client: XMPPClient
    let report: @Sendable (TransferEvent) -> Void

    private enum Finding: Sendable {
        case taken(by: JID, JingleMessageProposal)
        case surveyed(DeviceSurvey)
        /// None of their devices is seen.
        case nothing
        /// No device answered the proposal, or none got it.
        case silence(any Error)
    }

    /// The device, and the proposal it took, to be finished if no session follows; without one the session is a
    /// surprise to it.
    ///
    /// - Throws: `TransferError`, `StanzaChannelError`, `CancellationError`; the proposal is then withdrawn.
    func find(
        _ descriptions: [ContentDescription], id: String
    ) async throws -> (device: JID, proposal: JingleMessageProposal?) {
        try await withThrowingTaskGroup(of: Finding.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do {
                    let invitation = Invitation(peer: peer, client: client, report: report)
                    let (device, proposal) = try await invitation.send(descriptions, id: id)
                    return .taken(by: device, proposal)
                } catch let error as TransferError where error.isSilence {
                    return .silence(error)
                }
            }
            group.addTask { try await survey().map { .surveyed($0) } ?? .nothing }
            var best: JID?
            var silence: (any Error)?
            for try await finding in group {
                switch finding {
                case .taken(let device, let proposal): return (device, proposal)
                case .silence(let error): silence = error
                case .nothing: break
                case .surveyed(let survey):
                    best = survey.bestDevice
                    switch survey.way {
                    case .proposal: break
                    case .none(let why): throw TransferError.peerUnable(peer, why)
                    case .session(let device):
                        // Withdraws the proposal. Should a device have taken it just now, it has the session.
                        group.cancelAll()
                        if case .taken(let taker, let proposal)? = try? await group.next() { return (taker, proposal) }
                        try Task.checkCancellation()
                        report(.inviting(device))
                        return (device, nil)
                    }
                }
            }
            // Nobody took the proposal; a device that is there may still take a session.
            guard let best else { throw silence ?? TransferError.peerOffline(peer) }
            report(.inviting(best))
            return (best, nil)
        }
    }

    /// The devices of a person who shares their presence with us; `nil` for others, and when nothing is seen.
    private func survey() async throws -> DeviceSurvey? {
        do {
            guard try await client.seesPresence(of: peer) else { return nil }
            let presence = try await client.presence(of: peer)
            guard !presence.devices.isEmpty else { return nil }
            return try await DeviceSurvey(
                of: presence, for: application, permitsOneWayStreams: permitsOneWayStreams, client: client,
                isFresh: false)
        } catch let error where error is StanzaError || error is StanzaParseError {
            return nil
        } catch StanzaChannelError.timedOut {
            return nil
        }
    }
}

extension TransferError {
    /// True when a proposal to all devices reached none that answers.
    fileprivate var isSilence: Bool {
        switch self {
        case .peerOffline, .peerNotFound: true
        default: false
        }
    }
}
