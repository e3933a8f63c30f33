public import Client
public import ICE
import Jingle
public import SecureChannels
public import Transports
public import XMPP

/// What every transfer of one log-in shares: the stream, the running sessions, the device, and who is trusted.
public struct TransferService: Sendable {
    /// The features to advertise in service discovery.
    public static let features = Jingle.features

    let client: XMPPClient
    let host: JingleHost
    let certificate: DeviceCertificate
    let trust: any DeviceTrust
    let loop: ICELoop
    let relayOnly: Bool
    let blocks = BlockPool()

    /// Puts the parts together; the host must be running.
    ///
    /// - Parameter relayOnly: whether to hide our addresses from peers.
    public init(
        client: XMPPClient, host: JingleHost, certificate: DeviceCertificate, trust: any DeviceTrust, loop: ICELoop,
        relayOnly: Bool = false
    ) {
        self.client = client
        self.host = host
        self.certificate = certificate
        self.trust = trust
        self.loop = loop
        self.relayOnly = relayOnly
    }

    /// Starts a transport that uses the servers the account's server offers right now.
    func transport(_ role: JingleRole) async throws -> ICEQUICTransport {
        // Without these servers there may still be a way, so an error here is none of the transfer.
        let services = (try? await client.externalServices(timeout: .seconds(5))) ?? []
        try Task.checkCancellation()
        do {
            return try ICEQUICTransport(
                role: role, certificate: certificate, loop: loop,
                configuration: ICEConfiguration(services: services, relayOnly: relayOnly))
        } catch {
            throw TransferError.noPath(["\(error)"])
        }
    }
}

/// Remembers the devices of peers, and refuses those whose certificate has changed.
public protocol DeviceTrust: Sendable {
    /// Compares the fingerprint a peer signalled with what is known, before anything is sent or stored.
    ///
    /// - Throws: `TransferError.deviceChanged`, or what keeps it from comparing.
    func check(_ peer: JID, _ fingerprint: Fingerprint) throws

    /// Remembers a device that has proved to own its certificate.
    ///
    /// - Throws: what keeps it from remembering.
    func confirm(_ peer: JID, _ fingerprint: Fingerprint) throws
}
