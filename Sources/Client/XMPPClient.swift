public import Logging
internal import NIOCore
internal import SecureChannels
internal import Synchronization
public import XML
public import XMPP

/// A logged-in stream to the account's server.
///
/// It answers pings and service discovery by itself, asks a silent server whether it is still there, and refuses
/// requests that nobody serves. `close()` must be called when it is no longer needed. After `closed` it stays
/// closed; whoever wants to be on-line again connects anew, after a time that `Backoff` names.
public final class XMPPClient: StanzaChannel {
    /// The full address the server bound for this stream.
    public let address: JID
    /// How this stream came about.
    public let stream: StreamDescription

    let log: Logger
    let limits: StreamConnection.Limits
    let registry: ServiceDiscoveryRegistry
    let state: Mutex<State>
    private let channel: any Channel
    private let writer: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let end = OneShot<ClientError>()
    private let idPrefix = hexadecimal(secureRandomBytes(6))

    typealias Answer = OneShot<Result<XMLElement?, any Error>>

    struct State {
        var requests: IQTracker<Answer>
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
        var failure = ClientError.noService(domain: domain)
        var isFirst = true
        for endpoint in await ServerEndpoint.find(for: configuration, log: log) {
            do throws(ClientError) {
                return try await StreamConnection.open(
                    endpoint, configuration: configuration, limits: limits, log: log)
            } catch {
                log.debug("no stream", metadata: ["server": "\(endpoint)", "error": "\(error)"])
                guard error.concernsEndpointOnly else { throw error }
                if isFirst || error.weight > failure.weight { failure = error }
                isFirst = false
            }
        }
        throw failure
    }

    init(
        address: JID, stream: StreamDescription, configuration: ClientConfiguration, limits: StreamConnection.Limits,
        channel: any Channel, writer: NIOAsyncChannelOutboundWriter<ByteBuffer>, log: Logger
    ) {
        self.address = address
        self.stream = stream
        self.limits = limits
        self.channel = channel
        self.writer = writer
        self.log = log
        registry = ServiceDiscoveryRegistry(
            features: configuration.features, clientName: configuration.clientName
        ) { DigestAlgorithm.sha1.hash($0) }
        state = Mutex(State(requests: IQTracker(address: address)))
        // Another client like this one need not be asked what it can do.
        state.withLock { $0.discovery.keep(registry.info, for: registry.capabilities) }
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

    /// Closes the stream in order: the server delivers what it was given before. Waits for that 2 s at most.
    ///
    /// Those whom presence was directed to are told that it is over: Prosody does not where contacts got none, and Dino
    /// then goes on offering its files to the device that is gone.
    public func close() async {
        let isFirst = state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
        guard isFirst, end.current == nil else {
            _ = try? await end.value
            return
        }
        let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(limits.closing)) { [channel] in
            channel.close(promise: nil)
        }
        let directed = state.withLock { $0.isAvailable ? [] : $0.directed }
        for address in directed { try? await send(Presence(to: address, kind: .unavailable).element) }
        try? await writer.write(ByteBuffer(string: Self.streamEnd))
        // Not stopped by cancellation: the one who closes may be a task that was cancelled.
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            channel.closeFuture.whenComplete { _ in done.resume() }
        }
        deadline.cancel()
    }

    /// Asks a silent server whether it is still there, and closes the connection when it does not answer. Ends with
    /// the task.
    func keepAlive() async {
        while !Task.isCancelled, end.current == nil {
            let due = state.withLock(\.lastReceived) + limits.silence
            if ContinuousClock.now < due {
                do { try await Task.sleep(until: due, clock: .continuous) } catch { return }
                continue
            }
            let asked = ContinuousClock.now
            // A timer of its own, since writing may take for ever too when the server is gone.
            let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(limits.patience)) {
                guard self.state.withLock(\.lastReceived) < asked else { return }
                self.end.fulfil(.unresponsive)
                self.channel.close(promise: nil)
            }
            _ = try? await request(.get, to: nil, payload: Ping.request, timeout: limits.patience)
            deadline.cancel()
            // An answer of any kind has moved the time; without one the connection is closed by now.
            guard state.withLock(\.lastReceived) > asked else {
                end.fulfil(.unresponsive)
                channel.close(promise: nil)
                return
            }
        }
    }

    /// The connection is over.
    func ended(_ reason: ClientError) {
        end.fulfil(state.withLock(\.isClosing) ? .closed(reason: "closed here") : reason)
        let reason = end.current ?? reason
        log.debug("stream ended", metadata: ["reason": "\(reason)"])
        let (answers, router) = state.withLock { state in
            defer { state.router = StanzaRouter() }
            return (state.requests.cancelAll(), state.router)
        }
        for answer in answers { answer.fulfil(.failure(StanzaChannelError.closed(reason: reason.description))) }
        router.finish()
    }

    static let streamEnd = "</stream:stream>"

    // MARK: Sending

    /// Sends a stanza; waits while the connection takes no more.
    ///
    /// - Throws: `StanzaChannelError`, or `CancellationError`.
    public func send(_ stanza: XMLElement) async throws {
        if let reason = end.current { throw StanzaChannelError.closed(reason: reason.description) }
        do {
            try await writer.write(ByteBuffer(string: stanza.serialized(defaultNamespace: Namespace.client)))
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw StanzaChannelError.closed(reason: end.current?.description ?? "the connection was cut")
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
        let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) { [self] in
            forget(id, StanzaChannelError.timedOut)
        }
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

    private func forget(_ id: String, _ error: any Error) {
        state.withLock { $0.requests.cancel(id: id) }?.fulfil(.failure(error))
    }

    // MARK: Receiving

    /// The requests in a namespace. At most 256 may wait; more are refused with `resource-constraint`.
    public func requests(inNamespace namespace: String) -> AsyncStream<IQ> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: IQ.self, bufferingPolicy: .bufferingOldest(StanzaRouter.waitingCount))
        let (number, former) = state.withLock { $0.router.addRequests(inNamespace: namespace, continuation) }
        former?.finish()
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { $0.router.removeRequests(inNamespace: namespace, number: number) }
        }
        if end.current != nil { continuation.finish() }
        return stream
    }

    /// The messages with a child in a namespace, those of carbons included. At most 256 may wait; more are dropped.
    public func messages(withChildIn namespace: String) -> AsyncStream<XMLElement> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: XMLElement.self, bufferingPolicy: .bufferingOldest(StanzaRouter.waitingCount))
        let number = state.withLock { $0.router.addMessages(withChildIn: namespace, continuation) }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { $0.router.removeMessages(withChildIn: namespace, number: number) }
        }
        if end.current != nil { continuation.finish() }
        return stream
    }

    /// Deals with what the parser found. Returns why the stream is over, if it is.
    func received(_ events: some Collection<XMLStreamEvent>) async -> ClientError? {
        state.withLock { $0.lastReceived = .now }
        for event in events {
            switch event {
            case .stanza(let element):
                if let error = StreamError(element) { return ClientError(error) }
                await received(element)
            case .end:
                if !state.withLock(\.isClosing) { try? await writer.write(ByteBuffer(string: Self.streamEnd)) }
                return .closed(reason: "the server closed it")
            case .failed(let error):
                let text = StreamError(unreadable: error).closingText
                try? await writer.write(ByteBuffer(string: text))
                return .protocolFailure(reason: "its XML cannot be read")
            case .header: return .protocolFailure(reason: "a second stream header came")
            }
        }
        return nil
    }

    private func received(_ element: XMLElement) async {
        guard element.namespace == Namespace.client else { return }
        switch element.name {
        case "iq":
            guard let answer = iqReceived(element) else { return }
            try? await send(answer)
        case "message":
            guard let message = try? Message(element) else { return }
            let inner = Carbon(message, account: address).map(\.message.element) ?? element
            state.withLock { $0.router }.route(message: inner)
        case "presence":
            guard let presence = try? Presence(element) else { return }
            let router = state.withLock { state in
                state.discovery.note(presence)
                return state.router
            }
            router.route(presence: presence)
        default: return
        }
    }

    /// Deals with an IQ. Returns the answer to send now, if there is one.
    private func iqReceived(_ element: XMLElement) -> XMLElement? {
        guard let iq = try? IQ(element) else { return IQ.errorAnswer(toInvalid: element) }
        switch iq.content {
        case .result(let payload):
            state.withLock { $0.requests.answered(by: iq) }?.fulfil(.success(payload))
            return nil
        case .error(let error):
            state.withLock { $0.requests.answered(by: iq) }?.fulfil(.failure(error))
            return nil
        case .get(let payload), .set(let payload):
            switch state.withLock({ $0.router }).route(request: iq, namespace: payload.namespace) {
            case .taken: return nil
            case .tooMany: return iq.refusal(StanzaError(.resourceConstraint, kind: .wait)).element
            case .nobody: break
            }
            let answer = Ping.answer(to: iq) ?? registry.answer(to: iq)
            return (answer ?? iq.refusal(StanzaError(.serviceUnavailable, kind: .cancel))).element
        }
    }
}
