// XEP-0260: Jingle SOCKS5 Bytestreams Transport Method.
public import ICE
public import Jingle
internal import NIOCore
public import SecureChannels
import Synchronization
public import XMPP

/// A SOCKS5 bytestream, from host to host or through a proxy; between two devices that can do it, TLS runs inside
/// (Wire/Bytestream-TLS.md).
///
/// Order of use: ``localDescription()`` for the offer or answer, ``receive(_:)`` for everything the peer signals,
/// ``nextTransportInfo()`` in a loop, and ``connect()`` or ``acceptStream()`` once the session is accepted. End with
/// ``close()``.
public final class SOCKS5Transport: TransportMethod {
    /// How many of our addresses are offered.
    static let addressLimit = 8
    /// How many of the peer's places are kept, so that ours are others.
    private static let takenPlaceLimit = 64
    /// How many reasons are kept: one for each candidate, and some.
    private static let obstacleLimit = SOCKS5Nomination.candidateLimit + 8

    /// How long things may take, in the order in which they happen.
    struct Limits: Sendable {
        /// After this long the next candidate is dialled too.
        var stagger = Duration.milliseconds(250)
        /// Until then a proxy, or what the peer has reached, waits for something better: for a dial that the kernel
        /// repeats after a second.
        var patience = Duration.milliseconds(1500)
        /// Until the bytestream is there. Gajim needs 30 s to give a candidate up.
        var total = Duration.seconds(45)
        /// A proxy may take as long to answer our request.
        var activation = Duration.seconds(10)
        /// TLS may take as long.
        var handshake = Duration.seconds(5)
        /// The peer may take as long to begin its stream.
        var opening = Duration.seconds(30)
        var sockets = SOCKS5Sockets.Limits()
    }

    /// What the search for a bytestream is to do next.
    enum Order: Sendable {
        case dial
        case abandon(cids: [String])
        case activate(SOCKS5Nomination.Candidate)
        case use(SOCKS5Nomination.Nominee)
        case fail(SOCKS5Nomination.Failure)
    }

    struct State {
        var handshake: HandshakeRoles
        /// The name of the bytestream; the offerer's choice.
        var sid: String?
        /// What we have signalled.
        var local: SOCKS5TransportDescription?
        var nomination: SOCKS5Nomination?
        /// The candidates that came before ours were known.
        var early: [SOCKS5Nomination.Candidate] = []
        var takenPlaces: Set<String> = []
        var peerDestination: String?
        var hasPeerDescription = false
        /// Why candidates were not used, one sentence each.
        var obstacles: [String] = []
        var chosen: Chosen?
        var isClosed = false
    }

    let limits: Limits
    let own: JID
    let peer: JID
    let channel: any StanzaChannel
    let contentName: String
    let certificate: DeviceCertificate?
    let sockets: SOCKS5Sockets
    let pool = BlockPool()
    let state: Mutex<State>
    let orders: (stream: AsyncStream<Order>, continuation: AsyncStream<Order>.Continuation)
    private let sessionRole: JingleRole
    private let isOfferer: Bool
    private let addresses: [ICEAddress]
    private let proxies: [ProxyDiscovery.StreamHost]
    private let allowed: AllowedPaths
    private let infos:
        (
            stream: AsyncStream<SOCKS5TransportDescription.Info>,
            continuation: AsyncStream<SOCKS5TransportDescription.Info>.Continuation
        )

    /// Creates a transport.
    ///
    /// - Parameters:
    ///   - sessionRole: our role in the session, which decides between equals.
    ///   - isOfferer: whether this transport is proposed by us, in an offer or in place of another transport.
    ///   - channel: carries our requests to proxies.
    ///   - contentName: the content whose bytes these are.
    ///   - tls: who we are in TLS: as the offerer only when the peer advertises `BytestreamTLS`, and then the peer must
    ///     do it; as the answerer it is used when the offer has a fingerprint.
    ///   - addresses: the addresses of this host that the peer may be told.
    ///   - proxies: those of our server.
    ///   - allowed: without ``AllowedPaths/socks5Direct`` nothing of ours is offered but proxies, and of the peer's
    ///     candidates only those of `proxies` are dialled, since others would learn our address.
    public convenience init(
        sessionRole: JingleRole, isOfferer: Bool, own: JID, peer: JID, channel: any StanzaChannel,
        contentName: String, tls: DeviceCertificate?, addresses: [ICEAddress],
        proxies: [ProxyDiscovery.StreamHost], allowed: AllowedPaths = .all
    ) {
        self.init(
            sessionRole: sessionRole, isOfferer: isOfferer, own: own, peer: peer, channel: channel,
            contentName: contentName, tls: tls, addresses: addresses, proxies: proxies, allowed: allowed,
            allowsLoopback: addresses.contains { $0.isLoopback }, limits: Limits())
    }

    /// The same, with other limits, and with loopback addresses for tests.
    init(
        sessionRole: JingleRole, isOfferer: Bool, own: JID, peer: JID, channel: any StanzaChannel,
        contentName: String, tls: DeviceCertificate?, addresses: [ICEAddress],
        proxies: [ProxyDiscovery.StreamHost], allowed: AllowedPaths, allowsLoopback: Bool, limits: Limits
    ) {
        self.sessionRole = sessionRole
        self.isOfferer = isOfferer
        self.own = own
        self.peer = peer
        self.channel = channel
        self.contentName = contentName
        self.addresses = Array(addresses.prefix(Self.addressLimit))
        self.proxies = proxies
        self.allowed = allowed
        self.limits = limits
        certificate = tls
        sockets = SOCKS5Sockets(ownAddresses: addresses, allowsLoopback: allowsLoopback, limits: limits.sockets)
        state = Mutex(State(handshake: HandshakeRoles(isOfferer: isOfferer), sid: isOfferer ? Self.name() : nil))
        orders = AsyncStream.makeStream()
        infos = AsyncStream.makeStream()
    }

    deinit { close() }

    /// The fingerprint the peer signalled, once it has and TLS is agreed on.
    public var peerFingerprint: Fingerprint? { state.withLock { $0.handshake.agreement?.peerFingerprint } }

    /// Nothing: everything happens while somebody waits for the connection.
    public func run() async {}

    // MARK: What is signalled

    /// Our side for the offer or answer; from now on the peer can connect to us. For an answer, the peer's offer must
    /// have been received before.
    public func localDescription() async -> ContentTransport {
        let (known, sid) = state.withLock { ($0.local, $0.sid) }
        if let known { return .socks5(known) }
        guard let sid else { preconditionFailure("an answer follows an offer") }
        let destination = destinationAddress(sid: sid, of: own, to: peer)
        var candidates: [SOCKS5Nomination.Candidate] = []
        if allowed.contains(.socks5Direct), !addresses.isEmpty,
            let port = await sockets.listen(destination: destination)
        {
            for address in addresses {
                candidates.append(candidate(candidates, host: address.ip, port: port, jid: own, kind: .direct))
            }
        }
        let taken = state.withLock { $0.takenPlaces }
        // What the other side has offered already must not be offered again (§ 2.2).
        for proxy in proxies where allowed.contains(.socks5Proxy) && !taken.contains("\(proxy.port) \(proxy.host)") {
            candidates.append(
                candidate(candidates, host: proxy.host, port: proxy.port, jid: proxy.address, kind: .proxy))
        }
        return state.withLock { state in
            var nomination = SOCKS5Nomination(role: sessionRole, own: candidates)
            nomination.add(state.early)
            state.nomination = nomination
            // An answer has a fingerprint if the offer has.
            let hasFingerprint = isOfferer || state.handshake.agreement != nil
            let local = SOCKS5TransportDescription(
                sid: sid, mode: isOfferer ? .tcp : nil, destinationAddress: destination, candidates: candidates,
                fingerprint: hasFingerprint ? certificate.flatMap { state.handshake.description(of: $0) } : nil)
            state.local = local
            return .socks5(local)
        }
    }

    /// Waits for what the peer is to be told in a transport-info; `nil` when there will be no more.
    public func nextTransportInfo() async -> ContentTransport? {
        for await info in infos.stream {
            return state.withLock { $0.sid }.map { .socks5(SOCKS5TransportDescription(sid: $0, info: info)) }
        }
        return nil
    }

    /// Takes what the peer signals.
    ///
    /// - Throws: ``TransportFailure/unusableDescription(_:)``.
    public func receive(_ remote: ContentTransport) throws(TransportFailure) {
        guard case .socks5(let remote) = remote else { throw .unusableDescription("another transport") }
        try state.withLock { (state) throws(TransportFailure) in
            guard state.sid ?? remote.sid == remote.sid else { throw .unusableDescription("another bytestream") }
            guard remote.mode != .udp else { throw .unusableDescription("a bytestream over UDP") }
            state.sid = remote.sid
            if let info = remote.info {
                do throws(SOCKS5Nomination.Fault) {
                    try step(&state) { (nomination) throws(SOCKS5Nomination.Fault) in try nomination.receive(info) }
                } catch {
                    throw .unusableDescription(error.text)
                }
            } else {
                try receive(description: remote, &state)
            }
        }
    }

    private func receive(
        description remote: SOCKS5TransportDescription, _ state: inout State
    ) throws(TransportFailure) {
        if certificate != nil {
            if let fingerprint = remote.fingerprint {
                try state.handshake.receive(fingerprint)
            } else if isOfferer, !state.hasPeerDescription {
                throw .noFingerprint
            }
        }
        state.hasPeerDescription = true
        state.peerDestination = state.peerDestination ?? remote.destinationAddress
        let usable = remote.candidates.filter { isUsable($0, &state) }
        guard state.nomination != nil else {
            for candidate in remote.candidates where state.takenPlaces.count < Self.takenPlaceLimit {
                state.takenPlaces.insert("\(candidate.port) \(candidate.host)")
            }
            state.early += usable.prefix(max(0, SOCKS5Nomination.candidateLimit - state.early.count))
            return
        }
        if state.nomination?.add(usable).isEmpty == false { orders.continuation.yield(.dial) }
    }

    private func isUsable(_ candidate: SOCKS5Nomination.Candidate, _ state: inout State) -> Bool {
        // Whoever the peer names learns our address; the proxy of our own server may.
        let isOurs = proxies.contains { $0.host == candidate.host && $0.port == candidate.port }
        guard isOurs || allowed.contains(.socks5Direct) else { return false }
        guard candidate.kind != .proxy || allowed.contains(.socks5Proxy) else { return false }
        // Dino offers addresses with a zone (RFC 4007 § 11), which means nothing on another host.
        guard !candidate.host.contains("%") else { return false }
        guard sockets.mayDial(candidate.host) else {
            note("\(candidate.place): \(SOCKS5DialError.notAnotherHost.text)", &state)
            return false
        }
        return true
    }

    private func candidate(
        _ others: [SOCKS5Nomination.Candidate], host: String, port: UInt16, jid: JID,
        kind: SOCKS5Nomination.Candidate.Kind
    ) -> SOCKS5Nomination.Candidate {
        SOCKS5Nomination.Candidate(
            cid: Self.name(), host: host, port: port, jid: jid,
            priority: kind.preference << 16 + UInt32(UInt16.max) - UInt32(others.count), kind: kind)
    }

    // MARK: Steps

    /// Lets the nomination go on, and hands what is to be done to whoever does it.
    func step<Fault: Error>(
        _ body: (inout SOCKS5Nomination) throws(Fault) -> [SOCKS5Nomination.Action]
    ) throws(Fault) {
        try state.withLock { (state) throws(Fault) in try step(&state, body) }
    }

    private func step<Fault: Error>(
        _ state: inout State, _ body: (inout SOCKS5Nomination) throws(Fault) -> [SOCKS5Nomination.Action]
    ) throws(Fault) {
        guard var nomination = state.nomination else { return }
        let actions = try body(&nomination)
        state.nomination = nomination
        for action in actions {
            switch action {
            case .send(let info): infos.continuation.yield(info)
            case .abandon(let cids): orders.continuation.yield(.abandon(cids: cids))
            case .activate(let candidate): orders.continuation.yield(.activate(candidate))
            case .use(let nominee): orders.continuation.yield(.use(nominee))
            case .fail(let failure):
                orders.continuation.yield(.fail(failure))
                // The peer has given a bytestream up that was ready here.
                state.chosen?.channel.close(promise: nil)
            }
        }
    }

    /// Notes why something was not used.
    func note(_ obstacle: String) { state.withLock { note(obstacle, &$0) } }

    private func note(_ obstacle: String, _ state: inout State) {
        if state.obstacles.count < Self.obstacleLimit { state.obstacles.append(obstacle) }
    }

    /// What is asked for at a stream host that one side offers.
    func destinationAddress(sid: String, of requester: JID, to target: JID) -> String {
        SOCKS5Bytestream.destinationAddress(
            sid: sid, requester: requester, target: target, sha1: DigestAlgorithm.sha1.hash)
    }

    /// A name that nobody guesses: who knows the bytestream's can connect to us in place of the peer.
    private static func name() -> String {
        (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
    }

    /// Why candidates were not used so far.
    public func obstacles() async -> [String] { state.withLock { $0.obstacles } }

    /// Ends the search for a bytestream; the connection that was chosen goes on. Safe to call more than once.
    public func close() {
        let chosen = state.withLock { state in
            state.isClosed = true
            return state.chosen
        }
        orders.continuation.finish()
        infos.continuation.finish()
        sockets.close(except: chosen?.channel)
    }
}

extension SOCKS5Nomination.Fault {
    fileprivate var text: String {
        switch self {
        case .unknownCandidate: "a candidate that was not offered"
        case .contradiction: "two answers to one question"
        }
    }
}
