public import Client
public import ICE
import Jingle
public import SecureChannels
public import Transports
public import XMPP

/// What every transfer of one log-in shares: the stream, the running sessions, the device, and who is trusted.
public struct TransferService: Sendable {
    /// All features that may be advertised in service discovery.
    public static let features = Jingle.features

    /// The features to advertise in service discovery while this process takes those applications only.
    public static func features(for applications: Set<TransferApplication>) -> [String] {
        let others = TransferApplication.allCases.filter { !applications.contains($0) }.flatMap(\.features)
        let wanted = applications.flatMap(\.features)
        return features.filter { !others.contains($0) || wanted.contains($0) }
    }

    /// The same with other paths.
    public func permitting(_ paths: AllowedPaths) -> TransferService {
        var policy = policy
        policy.allowedPaths = paths
        return TransferService(
            client: client, host: host, inBand: inBand, certificate: certificate, trust: trust, loop: loop,
            policy: policy)
    }

    let client: XMPPClient
    let host: JingleHost
    let inBand: InBandHost
    let certificate: DeviceCertificate
    let trust: any DeviceTrust
    let loop: ICELoop
    let policy: TransferPolicy
    let blocks = BlockPool()
    let proxies: ServerProxies

    /// Puts the parts together; the hosts must be running.
    public init(
        client: XMPPClient, host: JingleHost, inBand: InBandHost, certificate: DeviceCertificate,
        trust: any DeviceTrust, loop: ICELoop,
        policy: TransferPolicy = TransferPolicy()
    ) {
        self.client = client
        self.host = host
        self.inBand = inBand
        self.certificate = certificate
        self.trust = trust
        self.loop = loop
        self.policy = policy
        proxies = ServerProxies(client: client)
    }
}

/// Remembers the devices of peers, and refuses those whose certificate has changed.
public protocol DeviceTrust: Sendable {
    /// Compares the fingerprint a peer signalled with what is known, before anything is sent or stored; `nil` when there
    /// would be no encryption between the devices.
    ///
    /// - Throws: `TransferError.deviceChanged`, `TransferError.notEncrypted` for a device known by a certificate, or what
    ///   keeps it from comparing.
    func check(_ peer: JID, _ fingerprint: Fingerprint?) throws

    /// Whether some device of that account was met with a certificate.
    ///
    /// - Throws: what keeps it from looking.
    func knowsDevice(of account: JID) throws -> Bool

    /// Remembers a device that has proved to own its certificate.
    ///
    /// - Throws: what keeps it from remembering.
    func confirm(_ peer: JID, _ fingerprint: Fingerprint) throws
}
