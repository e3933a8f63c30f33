public import Logging
internal import NIOCore
internal import NIOPosix
internal import SecureChannels
internal import Synchronization
public import XML
public import XMPP

/// A logged-in stream to the account's server.
///
/// It answers pings and service discovery by itself, asks a silent server whether it is still there, and refuses
/// requests that nobody serves. When its connection is lost and the server permits it, the stream goes on over another
/// one (XEP-0198), for which it tries for up to two minutes: meanwhile what is sent waits, and so do the requests that
/// are under way. `close()` must be called when it is no longer needed. After `closed` it stays closed; whoever wants
/// to be on-line again connects anew, after a time that `Backoff` names.
public final class XMPPClient: StanzaChannel {
    /// The full address the server bound for this stream.
    public let address: JID
    /// How this stream came about.
    public let stream: StreamDescription

    let log: Logger
    let limits: StreamConnection.Limits
    let configuration: ClientConfiguration
    let registry: ServiceDiscoveryRegistry
    let state: Mutex<State>
    private let eventLoop: any EventLoop = MultiThreadedEventLoopGroup.singleton.any()
    let end = OneShot<ClientError>()
    private let idPrefix = hexadecimal(secureRandomBytes(6))

    typealias Answer = OneShot<Result<XMLElement?, any Error>>

    struct State {
        var requests: IQTracker<Answer>
        var management: StreamManagement
        /// The connection; `nil` while the stream has none.
        var link: StreamLink?
        /// Tries to get another connection.
        var resumption: Task<Void, Never>?
        /// When the stream last went on over another connection.
        var resumed: ContinuousClock.Instant?
        /// How many connections in a row have not held.
        var shortConnectionCount = 0
        var backoff: Backoff
        /// Becomes known when there may be room for more stanzas; there if somebody waits for that.
        var room: OneShot<Void>?
        var router = StanzaRouter()
        var discovery = DiscoveryCache()
        var lastNumber = 0
        var lastReceived = ContinuousClock.now
        var isClosing = false
        /// Whether contacts have our presence, which the server then takes back at the end by itself.
        var isAvailable = false
        /// Who else has it.
        var directed: Set<JID> = []
    }

    /// To how many addresses the end is told that presence was directed to; the others find out.
    private static let directedLimit = 64

    /// Finds the account's server, connects, secures the connection and logs in.
    ///
    /// The endpoints that the DNS names are tried in turn. Every step has a time limit: 10 s to connect, 10 s for
    /// TLS, 15 s to log in. No presence is sent yet.
    ///
    /// - Throws: `ClientError`; when several endpoints failed, the error that tells most.
    public static func connect(
        _ configuration: ClientConfiguration, log: Logger
    ) async throws(ClientError) -> XMPPClient {
        try await connect(configuration, limits: StreamConnection.Limits(), log: log)
    }

    static func connect(
        _ configuration: ClientConfiguration, limits: StreamConnection.Limits, log: Logger
    ) async throws(ClientError) -> XMPPClient {
        guard configuration.account.local != nil else { throw .notAnAccount(configuration.account) }
        let domain = configuration.account.domain
        guard domain.utf8.allSatisfy({ $0 < 0x80 }) else { throw .domainNotASCII(domain) }
        return try await open(.newStream, configuration, limits: limits, log: log)
    }

    /// Tries one endpoint after the other.
    ///
    /// - Parameter preferred: those to try before the ones that the DNS names, which is asked only then.
    static func open(
        _ purpose: StreamConnection.Purpose, preferring preferred: [ServerEndpoint] = [],
        _ configuration: ClientConfiguration, limits: StreamConnection.Limits, log: Logger
    ) async throws(ClientError) -> XMPPClient {
        var failure: ClientError?
        for asksDNS in [false, true] {
            let found = asksDNS ? await ServerEndpoint.find(for: configuration, log: log) : []
            for endpoint in asksDNS ? found.filter({ !preferred.contains($0) }) : preferred {
                do throws(ClientError) {
                    return try await StreamConnection.open(
                        endpoint, for: purpose, configuration: configuration, limits: limits, log: log)
                } catch {
                    log.debug("no stream", metadata: ["server": "\(endpoint)", "error": "\(error)"])
                    guard error.concernsEndpointOnly else { throw error }
                    if error.weight > failure?.weight ?? -1 { failure = error }
                }
            }
        }
        throw failure ?? .noService(domain: configuration.account.domain)
    }

    /// Creates the client of a stream that was just bound.
    init(
        address: JID, stream: StreamDescription, configuration: ClientConfiguration, limits: StreamConnection.Limits,
        link: StreamLink, log: Logger
    ) {
        self.address = address
        self.stream = stream
        self.configuration = configuration
        self.limits = limits
        self.log = log
        registry = ServiceDiscoveryRegistry(
            features: configuration.features, clientName: configuration.clientName
        ) { DigestAlgorithm.sha1.hash($0) }
        let management = StreamManagement(isOffered: StreamManagement.isOffered(in: stream.features))
        let backoff = Backoff(maximumSeconds: limits.longestPauseSeconds)
        state = Mutex(
            State(requests: IQTracker(address: address), management: management, link: link, backoff: backoff))
        // Another client like this one need not be asked what it can do.
        state.withLock { $0.discovery.keep(registry.info, for: registry.capabilities) }
        link.wake()
    }

    // MARK: The connection

    /// Why the connection has ended, once it has.
    ///
    /// - Throws: `CancellationError` when the waiting task is cancelled first.
    public var closed: ClientError {
        get async throws { try await end.value }
    }

    /// Why the connection has ended; `nil` while it stands.
    var closingReason: String? { end.current?.description }

    /// Notes that the presence of this client was directed to somebody.
    func noteDirectedPresence(to address: JID) {
        state.withLock { state in
            if state.directed.count < Self.directedLimit { state.directed.insert(address) }
        }
    }

    /// Closes the stream in order: the server delivers what it was given before, and keeps nothing to go on with. Waits
    /// for that 2 s at most, also for a connection when there is none.
    ///
    /// Those whom presence was directed to are told that it is over: Prosody does not where contacts got none, and Dino
    /// then goes on offering its files to the device that is gone.
    public func close() async {
        let isFirst = state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
        if isFirst, end.current == nil {
            let deadline = eventLoop.scheduleTask(in: TimeAmount(limits.closing)) { [self] in
                let (link, resumption) = state.withLock { ($0.link, $0.resumption) }
                let reason = ClientError.closed(reason: "the server does not close it")
                if let link { return link.cut(reason) }
                resumption?.cancel()
                ended(reason)
            }
            let directed = state.withLock { $0.isAvailable ? [] : $0.directed }
            for address in directed { try? await send(Presence(to: address, kind: .unavailable).element) }
            state.withLock { $0.management.close() }
            wake()
            await waitForEnd()
            deadline.cancel()
        } else {
            await waitForEnd()
        }
    }

    /// Not stopped by cancellation: the one who closes may be a task that was cancelled.
    private func waitForEnd() async {
        await Task { [end] in _ = try? await end.value }.value
    }

    /// The stream is over.
    func ended(_ reason: ClientError) {
        let reason = state.withLock(\.isClosing) ? .closed(reason: "closed here") : reason
        guard end.fulfil(reason) else { return }
        log.debug("stream ended", metadata: ["reason": "\(reason)"])
        let (answers, router, room) = state.withLock { state in
            defer { (state.router, state.room) = (StanzaRouter(), nil) }
            return (state.requests.cancelAll(), state.router, state.room)
        }
        for answer in answers { answer.fulfil(.failure(StanzaChannelError.closed(reason: reason.description))) }
        router.finish()
        room?.fulfil(())
    }

    // MARK: Sending

    /// Sends a stanza; waits while too many others do.
    ///
    /// - Throws: `StanzaChannelError`, or `CancellationError`.
    public func send(_ stanza: XMLElement) async throws {
        try Task.checkCancellation()
        while true {
            if let reason = end.current { throw StanzaChannelError.closed(reason: reason.description) }
            guard let room = enqueue(stanza) else { return }
            try await room.value
        }
    }

    /// Puts a stanza among those that are to be sent. Returns what becomes known when there may be room, if there is
    /// none.
    func enqueue(_ stanza: XMLElement) -> OneShot<Void>? {
        let text = stanza.serialized(defaultNamespace: Namespace.client)
        return state.withLock { state in
            guard !state.management.enqueue(text) else {
                state.link?.wake()
                return nil
            }
            let room = state.room ?? OneShot()
            // After the end nobody would make it known.
            if end.current != nil { room.fulfil(()) } else { state.room = room }
            return room
        }
    }

    /// The longest stanza the server takes, where it says so.
    public var maximumStanzaByteCount: Int? { StreamLimits(features: stream.features).maximumStanzaByteCount }

    /// Sends a request; waits while the connection takes no more.
    ///
    /// - Throws: `StanzaChannelError`, or `CancellationError`.
    public func sendRequest(
        _ kind: RequestKind, to: JID?, payload: XMLElement, timeout: Duration
    ) async throws -> PendingAnswer {
        let answer = Answer()
        let id = try state.withLock { state in
            state.lastNumber += 1
            let id = "\(idPrefix)-\(state.lastNumber)"
            try state.requests.track(id: id, to: to, deadline: .now + timeout, waiter: answer)
            return id
        }
        // After the tracking, so that either this or `ended` sees the request.
        if end.current != nil { answer.fulfil(.failure(StanzaChannelError.closed(reason: "the connection has ended"))) }
        let sent = ContinuousClock.now
        let deadline = eventLoop.scheduleTask(in: TimeAmount(timeout)) { [self] in expire(id, sent, timeout) }
        do {
            try await send(IQ(to: to, id: id, content: kind == .get ? .get(payload) : .set(payload)).element)
        } catch {
            deadline.cancel()
            forget(id, error)
            throw error
        }
        return PendingAnswer { [self] in
            defer {
                deadline.cancel()
                forget(id, CancellationError())
            }
            return try await answer.value.get()
        }
    }

    /// The time of a request is over, unless it has not run: while the stream has no connection, and as long as it may
    /// turn out to have none.
    private func expire(_ id: String, _ sent: ContinuousClock.Instant, _ timeout: Duration) {
        let more: Duration? = state.withLock { state in
            let isInDoubt = state.management.isOn && state.lastReceived < sent
            if state.link == nil || isInDoubt { return min(timeout, .seconds(1)) }
            let left = max(sent, state.resumed ?? sent) + timeout - .now
            return left > .zero ? left : nil
        }
        guard let more, end.current == nil else { return forget(id, StanzaChannelError.timedOut) }
        eventLoop.scheduleTask(in: TimeAmount(more)) { [self] in expire(id, sent, timeout) }
    }

    private func forget(_ id: String, _ error: any Error) {
        state.withLock { $0.requests.cancel(id: id) }?.fulfil(.failure(error))
    }
}
