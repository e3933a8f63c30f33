import Client
import FileTransfer
import TerminalUI
import XMPP

/// Finds out whether a person or a device can receive a file, without making anything ring.
struct PeerCheck {
    let client: XMPPClient
    let console: Console

    /// What was found, and what the command ends with if that is not well.
    struct Result {
        var report: CheckReport.Peer
        var failure: Failure?
    }

    /// - Throws: `StanzaChannelError` when the stream ends, `CancellationError`.
    func run(_ peer: JID) async throws -> Result {
        var report = CheckReport.Peer(address: printable(peer.description), devices: [])
        let isSelf = peer.bare == client.address.bare
        let roster = try? await client.roster()
        report.subscription = isSelf ? "self" : roster.map { $0.items[peer.bare]?.subscription ?? .none }?.rawValue
        if !peer.isBare {
            try await ask(peer, into: &report)
        } else if isSelf || roster?.items[peer]?.subscription.seesContact == true {
            try await lookAt(peer, isSelf: isSelf, into: &report)
        } else {
            try await askServer(of: peer, isAsking: roster?.items[peer]?.isAsking == true, into: &report)
        }
        return Result(report: report, failure: failure(report))
    }

    // MARK: - A device

    private func ask(_ device: JID, into report: inout CheckReport.Peer) async throws {
        // As before a transfer: a device may not answer those whose presence it has not got.
        try await client.sendDirectedPresence(to: device)
        let answer = try await DeviceSurvey.ask(device, client: client, isFresh: true)
        switch describe(device, answer, priority: nil) {
        case .device(let device):
            report.devices = [device]
            report.reachable = true
            report.canReceive = device.canReceive
            report.reason = device.reason
        case .unable(let reason, let reachable):
            report.reachable = reachable
            report.canReceive = reachable.map { _ in false }
            report.reason = reason
        }
    }

    private enum Found {
        case device(CheckReport.PeerDevice)
        /// `false`: it is not there; `nil`: that cannot be told.
        case unable(String, reachable: Bool?)
    }

    private func describe(
        _ device: JID, _ answer: Swift.Result<ServiceDiscoveryInfo, any Error>, priority: Int8?
    ) -> Found {
        switch answer {
        case .success(let info): return .device(describe(device, info, priority: priority))
        case .failure(let error as StanzaError):
            switch error.condition {
            case .serviceUnavailable, .recipientUnavailable, .itemNotFound, .gone:
                return .unable("no such device is on-line", reachable: false)
            default: return reachability(of: device, error)
            }
        case .failure(is StanzaParseError):
            return .unable("what it says about itself cannot be read", reachable: true)
        case .failure:
            let patience = Format.countdown(DeviceSurvey.patience)
            return .unable("it did not answer within \(patience): it may have lost its connection", reachable: false)
        }
    }

    private func reachability(of peer: JID, _ error: StanzaError) -> Found {
        let domain = printable(peer.domain)
        switch error.condition {
        case .remoteServerNotFound:
            return .unable("there is no XMPP server at \(domain), or it cannot be found", reachable: false)
        case .remoteServerTimeout:
            return .unable("the server \(domain) cannot be reached", reachable: false)
        default:
            let text = error.text.map { " (\(printable($0, columns: 120)))" } ?? ""
            return .unable("the answer was \(error.condition.rawValue)\(text)", reachable: nil)
        }
    }

    private func describe(_ device: JID, _ info: ServiceDiscoveryInfo, priority: Int8?) -> CheckReport.PeerDevice {
        let identity = info.identities.first { $0.category == "client" } ?? info.identities.first
        let abilities = DeviceAbilities(info)
        return CheckReport.PeerDevice(
            address: printable(device.description), client: identity?.name.map { printable($0, columns: 60) },
            type: identity.map { printable($0.type, columns: 30) }, priority: priority.map { Int($0) },
            jingle: abilities.hasJingle, fileTransfer: abilities.hasFileTransfer,
            takesProposals: abilities.takesProposals && (priority ?? 0) >= 0,
            transports: abilities.transports, sharedTransports: abilities.sharedTransports,
            canReceive: abilities.obstacle(to: .file) == nil, reason: abilities.obstacle(to: .file),
            caveat: abilities.caveat)
    }

    // MARK: - A person whose presence is seen

    private func lookAt(_ peer: JID, isSelf: Bool, into report: inout CheckReport.Peer) async throws {
        let presence = try await client.presence(of: peer)
        switch presence.absence {
        case .notShared:
            report.reason = "they no longer share their presence; sleigh send asks all their devices"
            return
        case .refused(let error):
            if case .unable(let reason, let reachable) = reachability(of: peer, error) {
                (report.reason, report.reachable) = (reason, reachable)
                report.canReceive = reachable.map { _ in false }
            }
            return
        case .offline, nil: break
        }
        guard !presence.devices.isEmpty else {
            (report.reachable, report.canReceive) = (false, false)
            report.reason = isSelf ? "no other device of yours is on-line" : "no device of theirs is on-line"
            return
        }
        report.devices = try await DeviceSurvey(of: presence, client: client, isFresh: true).devices.map(describe)
        report.reachable = report.devices.contains { $0.canReceive != nil }
        report.canReceive = report.devices.contains { $0.canReceive == true }
        guard report.canReceive == false else { return }
        if report.reachable == true {
            report.reason = "none of their devices can receive from this sleigh"
        } else {
            report.reason = "none of their devices answers"
        }
    }

    private func describe(_ device: DeviceSurvey.Device) -> CheckReport.PeerDevice {
        switch describe(device.address, device.answer, priority: device.priority) {
        case .device(let described): described
        case .unable(let reason, _):
            CheckReport.PeerDevice(
                address: printable(device.address.description), priority: Int(device.priority), transports: [],
                sharedTransports: [], reason: reason)
        }
    }

    // MARK: - A stranger

    /// Only a server that cannot be reached, or an account that does not exist, can be told from outside.
    private func askServer(of peer: JID, isAsking: Bool, into report: inout CheckReport.Peer) async throws {
        do {
            _ = try await client.discover(peer, timeout: DeviceSurvey.patience, isFresh: true)
        } catch let error as StanzaError {
            switch error.condition {
            case .itemNotFound, .gone:
                (report.reachable, report.canReceive) = (false, false)
                report.reason = "there is no such account"
                return
            case .remoteServerNotFound, .remoteServerTimeout:
                guard case .unable(let reason, let reachable) = reachability(of: peer, error) else { return }
                (report.reachable, report.canReceive) = (reachable, false)
                report.reason = reason
                return
            // What servers answer to strangers, whether there is such an account or not (RFC 6121 § 8.5.1).
            case .serviceUnavailable, .forbidden, .notAuthorized, .subscriptionRequired, .registrationRequired,
                .featureNotImplemented:
                break
            default:
                if case .unable(let reason, _) = reachability(of: peer, error) { report.reason = reason }
                return
            }
        } catch StanzaChannelError.timedOut {
            report.reason = "the server \(printable(peer.domain)) did not answer"
            return
        } catch is StanzaParseError {
            // It is there, at least.
        }
        report.reason =
            isAsking
            ? "they have not yet let you see their presence; sleigh send asks all their devices"
            : "you do not see the presence of \(printable(peer.description)), who is no contact of yours;"
                + " sleigh send asks all their devices"
    }

    // MARK: - The end

    private func failure(_ report: CheckReport.Peer) -> Failure? {
        let reason = report.reason ?? "it does not say why"
        switch (report.reachable, report.canReceive) {
        case (_, true?): return nil
        case (false?, _):
            return Failure(
                "\(report.address) cannot be reached: \(reason)",
                hint: "Check the address. Is sleigh receive running there?",
                code: .peerUnavailable)
        case (_, false?):
            return Failure(
                "\(report.address) cannot receive: \(reason)", hint: "Is sleigh receive running there?",
                code: .peerUnavailable)
        case (_, nil):
            return Failure(
                "it cannot be told whether \(report.address) can receive: \(reason)",
                hint: "Name a device, you@example.org/DEVICE, or become contacts in another XMPP client.", code: .failed
            )
        }
    }
}
