import Client
import FileTransfer
import ICE
import Jingle
import SecureChannels
import TerminalUI
import Transports
import XMPP

/// A log-in with everything a transfer needs, until it is closed.
struct Connection {
    let client: XMPPClient
    let host: JingleHost
    let inBand: InBandHost
    let service: TransferService

    /// Logs in.
    ///
    /// - Parameters:
    ///   - resource: the resource to ask for.
    ///   - applications: what it is for, which peers get to know.
    ///   - takesOffers: whether what peers offer is wanted at all.
    static func open(
        _ account: AccountOptions.Resolved, device: Device, resource: String, loop: ICELoop,
        policy: TransferPolicy, applications: Set<TransferApplication>, takesOffers: Bool = false, console: Console
    ) async throws -> Connection {
        let client = try await XMPPClient.connect(
            try account.clientConfiguration(resource: resource, features: TransferService.features(for: applications)),
            log: console.log)
        console.detail("Logged in as \(printable(client.address.description)).")
        let host = JingleHost(channel: client, takesOffers: takesOffers)
        await host.start()
        let inBand = InBandHost(channel: client)
        await inBand.start()
        let trust = RememberingTrust(devices: try KnownDevices(), console: console)
        return Connection(
            client: client, host: host, inBand: inBand,
            service: TransferService(
                client: client, host: host, inBand: inBand, certificate: device.certificate, trust: trust, loop: loop,
                policy: policy))
    }

    /// Ends the sessions and the stream, in order; also in a task that was cancelled.
    func close() async {
        // In a task of its own: a cancelled one can send nothing.
        await Task {
            await host.stop()
            await inBand.stop()
            await client.close()
        }.value
    }
}

extension AccountOptions.Resolved {
    /// The same for the client library.
    func clientConfiguration(resource: String?, features: [String]) throws(Failure) -> ClientConfiguration {
        var configuration = ClientConfiguration(
            account: address, password: Password(password), resource: resource, authorityFile: caFile,
            features: features)
        if let server {
            guard let endpoint = ServerEndpoint(parsing: server) else {
                throw Failure(
                    "'\(printable(server))' is not a server",
                    hint: "Write it like xmpp.example.org:5222, or tls:xmpp.example.org:5223.", code: .usage)
            }
            configuration.server = endpoint
        }
        return configuration
    }
}

/// Trusts a device at first sight, says so, and refuses it when its certificate has changed.
struct RememberingTrust: DeviceTrust {
    let devices: KnownDevices
    let console: Console

    func knowsDevice(of account: JID) throws -> Bool { try devices.knowsDevice(of: account) }

    func check(_ peer: JID, _ fingerprint: Fingerprint?) throws {
        guard let fingerprint else {
            guard try devices.knows(peer) else { return }
            throw TransferError.notEncrypted(peer)
        }
        if case .changed(let known) = try devices.verdict(for: peer, fingerprint: fingerprint) {
            throw TransferError.deviceChanged(peer, known: known, presented: fingerprint)
        }
    }

    func confirm(_ peer: JID, _ fingerprint: Fingerprint) throws {
        switch try devices.remember(peer, fingerprint: fingerprint) {
        case .known: return
        case .changed(let known): throw TransferError.deviceChanged(peer, known: known, presented: fingerprint)
        case .new(let knowsOthers):
            let address = printable(peer.bare.description)
            console.say(
                (knowsOthers ? "A device of \(address) not seen before" : "First contact with \(address)")
                    + ", \(printable(peer.resource ?? "")), with the certificate\n  \(fingerprint)")
        }
    }
}
