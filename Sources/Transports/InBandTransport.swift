// XEP-0261: Jingle In-Band Bytestreams Transport Method
public import Jingle
public import SecureChannels
internal import Synchronization
public import XMPP

/// Negotiates a bytestream over the XMPP stream itself, for one content.
///
/// Where both sides signal a fingerprint TLS runs inside, and each stream begins with its header; otherwise the bytes go
/// as they are.
public final class InBandTransport: TransportMethod {
    /// The block size offered where the server takes such stanzas; what Conversations takes at most.
    public static let preferredBlockSize: UInt16 = 8192

    private let sessionRole: JingleRole
    private let isOfferer: Bool
    private let peer: JID
    private let host: InBandHost
    private let contentName: String
    private let certificate: DeviceCertificate?
    private let limits: InBandLink.Limits
    private let state: Mutex<State>

    private struct State {
        var handshake: HandshakeRoles
        var local: InBandTransportDescription
        var remote: InBandTransportDescription?
        var link: InBandLink?
        var isNameInUse = false
        var isTaken = false
        var isClosed = false
    }

    /// Creates a transport.
    ///
    /// - Parameters:
    ///   - sessionRole: our role in the session: its initiator opens the bytestream (§ 2.2).
    ///   - isOfferer: whether our description comes first.
    ///   - peer: the peer's full address.
    ///   - contentName: the content whose stream it is.
    ///   - certificate: who we are; `nil` for a peer without `BytestreamTLS`.
    public convenience init(
        sessionRole: JingleRole, isOfferer: Bool, peer: JID, host: InBandHost, contentName: String,
        certificate: DeviceCertificate?
    ) {
        self.init(
            sessionRole: sessionRole, isOfferer: isOfferer, peer: peer, host: host, contentName: contentName,
            certificate: certificate, blockSize: Self.preferredBlockSize, limits: InBandLink.Limits())
    }

    init(
        sessionRole: JingleRole, isOfferer: Bool, peer: JID, host: InBandHost, contentName: String,
        certificate: DeviceCertificate?, blockSize: UInt16, limits: InBandLink.Limits
    ) {
        self.sessionRole = sessionRole
        self.isOfferer = isOfferer
        self.peer = peer
        self.host = host
        self.contentName = contentName
        self.certificate = certificate
        self.limits = limits
        var permitted = Int(blockSize)
        if let limit = host.channel.maximumStanzaByteCount {
            permitted = min(permitted, InBandBytestream.blockSize(forStanzaByteCount: limit))
        }
        let local = InBandTransportDescription(
            sid: Self.randomSID(), blockSize: UInt16(clamping: max(1, permitted)))
        state = Mutex(State(handshake: HandshakeRoles(isOfferer: isOfferer), local: local))
    }

    /// The fingerprint the peer signalled, once it has; `nil` without TLS.
    public var peerFingerprint: Fingerprint? { state.withLock { $0.handshake.agreement?.peerFingerprint } }

    /// Returns at once: the host does the work.
    public func run() async {}

    /// Our side for the offer or answer. From now on the peer may open the bytestream.
    public func localDescription() async -> ContentTransport {
        let (local, link) = state.withLock { state in
            var local = state.local
            // An answer has a fingerprint if the offer has.
            if let certificate, isOfferer || state.handshake.agreement != nil {
                local.fingerprint = state.handshake.description(of: certificate)
            }
            guard state.link == nil, !state.isClosed else { return (local, InBandLink?.none) }
            let link = InBandLink(
                InBandLink.ID(peer: peer, sid: local.sid), blockSize: local.blockSize, channel: host.channel,
                limits: limits)
            state.link = link
            return (local, link)
        }
        if let link, await !host.add(link) { state.withLock { $0.isNameInUse = true } }
        return .inBand(local)
    }

    /// Takes the peer's offer or answer. More bytestreams, which a transport-info may name (§ 2.4), are not taken.
    ///
    /// - Throws: `TransportFailure.unusableDescription`.
    public func receive(_ remote: ContentTransport) throws(TransportFailure) {
        guard case .inBand(let remote) = remote else { throw .unusableDescription("another transport") }
        guard remote.stanza == .iq else { throw .unusableDescription("blocks in message stanzas") }
        try state.withLock { (state) throws(TransportFailure) in
            guard state.remote == nil else { return }
            if isOfferer {
                guard remote.sid == state.local.sid else { throw .unusableDescription("another bytestream's answer") }
            } else {
                state.local.sid = remote.sid
                state.local.blockSize = min(state.local.blockSize, remote.blockSize)
            }
            if certificate != nil {
                if let fingerprint = remote.fingerprint {
                    try state.handshake.receive(fingerprint)
                } else if isOfferer {
                    throw .noFingerprint
                }
            }
            state.remote = remote
        }
    }

    /// There is nothing to signal later.
    public func nextTransportInfo() async -> ContentTransport? { nil }

    /// Opens the bytestream, or waits until the peer has, and for TLS.
    ///
    /// - Throws: `TransportFailure`, `CancellationError`.
    public func connect() async throws -> any PeerConnection { try await establish() }

    /// The same, and waits for the peer's stream header where there is one.
    ///
    /// - Throws: `TransportFailure`, `ByteStreamError`, `CancellationError`.
    public func acceptStream() async throws -> AcceptedStream {
        let connection = try await establish()
        let stream = try await withThrowingTaskGroup(of: (contentName: String, stream: any ByteStream)?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await connection.acceptStream() }
            group.addTask {
                try await Task.sleep(for: self.limits.opening)
                return nil
            }
            return try await group.next() ?? nil
        }
        guard let stream else { throw TransportFailure.noStream }
        return (connection, stream.contentName, stream.stream)
    }

    /// Nothing: it fails on both sides at once, or not at all.
    public func obstacles() async -> [String] { [] }

    /// Ends the negotiation; the connection that was made goes on. Safe to call more than once.
    public func close() {
        let link = state.withLock { state in
            state.isClosed = true
            return state.isTaken ? nil : state.link
        }
        link?.stream.reset(code: 0)
    }

    private func establish() async throws -> InBandConnection {
        let (link, remote, agreement, isNameInUse) = state.withLock {
            ($0.link, $0.remote, $0.handshake.agreement, $0.isNameInUse)
        }
        guard !isNameInUse else { throw TransportFailure.unusableDescription("a bytestream of that name is open") }
        guard let link, let remote else { throw TransportFailure.unusableDescription("no answer") }
        let security = certificate.flatMap { certificate in
            agreement.map { InBandLink.Security(agreement: $0, certificate: certificate) }
        }
        try await link.establish(
            opens: sessionRole == .initiator, blockSize: remote.blockSize, security: security)
        let isClosed = state.withLock { state in
            state.isTaken = !state.isClosed
            return state.isClosed
        }
        guard !isClosed else { throw TransportFailure.unavailable("the bytestream was closed") }
        return InBandConnection(link: link, contentName: contentName, isEncrypted: security != nil)
    }

    private static func randomSID() -> String {
        let digits = Array("0123456789abcdef".unicodeScalars)
        var text = "ibb-".unicodeScalars
        for byte in secureRandomBytes(12) {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(text)
    }
}
