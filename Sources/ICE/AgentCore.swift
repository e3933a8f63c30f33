internal import CNice
internal import Glibc
internal import Synchronization

/// The owner of one NiceAgent.
///
/// libnice holds a reference to the core from its creation to the end of the teardown, which is: refuse further
/// sends, then on the loop's thread detach every callback, close (which gives TURN allocations back), free.
final class AgentCore: @unchecked Sendable {
    // @unchecked: `sending` and `published` are locked; `agent` is only used on the loop's thread or with `sending`
    // locked and open; every other variable is touched on the loop's thread only.

    let loop: ICELoop
    let configuration: ICEConfiguration
    let agent: OpaquePointer
    let stream: guint
    let localCredentials: ICECredentials
    let events: AsyncStream<ICEEvent>

    private let continuation: AsyncStream<ICEEvent>.Continuation
    private let sending: Mutex<SendBatch>
    private let published = Mutex(Published())

    private var receiveHandler: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    private var writableHandler: (@Sendable () -> Void)?
    private var earlyDatagrams: [[UInt8]] = []
    private var isTornDown = false

    var gathering = Gathering()
    var checking = Checking()

    /// What any thread may ask for.
    private struct Published {
        var state = ICEState.idle
        var pair: ICESelectedPair?
        var isFreed = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// Datagrams kept for a handler that is not set yet; the peer may be ready a little before us.
    private static let earlyDatagramCount = 64

    init(loop: ICELoop, role: ICERole, configuration: ICEConfiguration) throws(ICEError) {
        let options =
            NICE_AGENT_OPTION_REGULAR_NOMINATION.rawValue | NICE_AGENT_OPTION_ICE_TRICKLE.rawValue
        guard
            let agent = nice_agent_new_full(
                loop.mainContext, NICE_COMPATIBILITY_RFC5245, NiceAgentOption(rawValue: options))
        else { throw .noAgent }
        Self.setProperties(of: agent, role: role, configuration: configuration)
        let stream = nice_agent_add_stream(agent, 1)
        guard stream != 0, let credentials = Self.credentials(of: agent, stream: stream) else {
            cnice_unref(agent)
            throw .noAgent
        }
        self.loop = loop
        self.configuration = configuration
        self.agent = agent
        self.stream = stream
        self.localCredentials = credentials
        (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(512))
        sending = Mutex(SendBatch())

        // Balanced in release().
        let data = Unmanaged.passRetained(self).toOpaque()
        _ = cnice_connect_new_candidate(agent, candidateFound, data)
        _ = cnice_connect_gathering_done(agent, gatheringEnded, data)
        _ = cnice_connect_state_changed(agent, stateChanged, data)
        _ = cnice_connect_pair_selected(agent, pairSelected, data)
        _ = cnice_connect_writable(agent, becameWritable, data)
        // Before gathering: the agent does not poll its sockets on its own.
        nice_agent_attach_recv(agent, stream, 1, loop.mainContext, datagramArrived, data)
    }

    static func from(_ data: gpointer?) -> AgentCore? {
        data.map { Unmanaged<AgentCore>.fromOpaque($0).takeUnretainedValue() }
    }

    private static func setProperties(of agent: OpaquePointer, role: ICERole, configuration: ICEConfiguration) {
        cnice_set_boolean(agent, "controlling-mode", role == .controlling ? 1 : 0)
        cnice_set_boolean(agent, "upnp", 0)
        cnice_set_boolean(agent, "ice-tcp", 0)
        cnice_set_boolean(agent, "force-relay", configuration.forceRelay ? 1 : 0)
        // Consent freshness stays off, as created: after a takeover nobody answers STUN; QUIC looks after liveness.
        cnice_set_boolean(agent, "keepalive-conncheck", 0)
        // For questions to STUN and TURN servers: tries at 0, 500 and 1500 ms, given up after two seconds. Checks between
        // peers have a timer of their own, of the same length.
        cnice_set_unsigned(agent, "stun-initial-timeout", 500)
        cnice_set_unsigned(agent, "stun-max-retransmissions", 3)
        cnice_set_unsigned(agent, "idle-timeout", 1000)
    }

    private static func credentials(of agent: OpaquePointer, stream: guint) -> ICECredentials? {
        var fragment: UnsafeMutablePointer<CChar>?
        var password: UnsafeMutablePointer<CChar>?
        guard nice_agent_get_local_credentials(agent, stream, &fragment, &password) != 0 else { return nil }
        defer {
            g_free(fragment)
            g_free(password)
        }
        guard let fragment, let password else { return nil }
        return ICECredentials(usernameFragment: String(cString: fragment), password: String(cString: password))
    }

    // MARK: - What is published

    var state: ICEState { published.withLock { $0.state } }

    var selectedPair: ICESelectedPair? { published.withLock { $0.pair } }

    func emit(_ event: ICEEvent) {
        continuation.yield(event)
    }

    func enter(_ state: ICEState) {
        let isNew = published.withLock { published in
            guard published.state != state, published.state != .closed else { return false }
            published.state = state
            return true
        }
        if isNew { emit(.stateChanged(state)) }
    }

    func publish(_ pair: ICESelectedPair) {
        published.withLock { $0.pair = pair }
    }

    // MARK: - Datagrams

    func send(_ packets: UnsafeBufferPointer<UnsafeRawBufferPointer>) throws(ICEError) -> Int {
        try check(sending.withLock { $0.send(packets, agent: agent, stream: stream) })
    }

    func send(_ bytes: UnsafeRawBufferPointer, segmentByteCount: Int) throws(ICEError) -> Int {
        try check(
            sending.withLock { $0.send(bytes, segmentByteCount: segmentByteCount, agent: agent, stream: stream) })
    }

    private func check(_ accepted: Int?) throws(ICEError) -> Int {
        guard let accepted else { throw .closed }
        // From then on libnice sends nothing, as if its socket were full. A pair that was selected fails in no other way.
        guard state != .failed || selectedPair == nil else { throw .relayLost }
        return accepted
    }

    func receive(_ datagram: UnsafeRawBufferPointer) {
        if let receiveHandler {
            receiveHandler(datagram)
        } else if earlyDatagrams.count < Self.earlyDatagramCount {
            earlyDatagrams.append([UInt8](datagram))
        }
    }

    func setReceiveHandler(_ handler: @escaping @Sendable (UnsafeRawBufferPointer) -> Void) {
        guard !isTornDown else { return }
        receiveHandler = handler
        let early = earlyDatagrams
        earlyDatagrams = []
        for datagram in early { datagram.withUnsafeBytes(handler) }
    }

    func setWritableHandler(_ handler: @escaping @Sendable () -> Void) {
        guard !isTornDown else { return }
        writableHandler = handler
    }

    func handleWritable() {
        writableHandler?()
    }

    // MARK: - Takeover and teardown

    /// Stops the agent's reading and gives a duplicate of its socket; on the loop's thread, so whatever the agent had
    /// read has been delivered.
    func takeOverSocket() -> (descriptor: Int32, remote: ICEAddress)? {
        guard !isTornDown, state == .ready, let pair = selectedPair else { return nil }
        let descriptor = cnice_duplicate_selected_socket(agent, stream) { fcntl($0, F_DUPFD_CLOEXEC, 3) }
        guard descriptor >= 0 else { return nil }
        // A context that nobody iterates: the agent reads no more, so what the kernel has queued is left to the caller.
        let parked = g_main_context_new()
        nice_agent_attach_recv(agent, stream, 1, parked, datagramIgnored, nil)
        g_main_context_unref(parked)
        if sending.withLock({ $0.close() }) { tearDown(isReading: false) }
        return (descriptor, pair.remote.address)
    }

    /// Begins the teardown; further calls do nothing. From any thread.
    func close() {
        guard sending.withLock({ $0.close() }) else { return }
        loop.perform { self.tearDown(isReading: true) }
    }

    private func tearDown(isReading: Bool) {
        isTornDown = true
        let data = Unmanaged.passUnretained(self).toOpaque()
        cnice_disconnect(agent, data)
        if isReading {
            nice_agent_attach_recv(agent, stream, 1, loop.mainContext, datagramIgnored, nil)
        }
        receiveHandler = nil
        writableHandler = nil
        earlyDatagrams = []
        enter(.closed)
        continuation.finish()
        nice_agent_close_async(agent, agentClosed, data)
    }

    /// Frees the agent, and the core with it unless somebody still asks for its state.
    func release() {
        cnice_unref(agent)
        let waiters = published.withLock { published in
            published.isFreed = true
            defer { published.waiters = [] }
            return published.waiters
        }
        for waiter in waiters { waiter.resume() }
        Unmanaged.passUnretained(self).release()
    }

    func waitUntilFreed() async {
        await withCheckedContinuation { continuation in
            let isFreed = published.withLock { published in
                if !published.isFreed { published.waiters.append(continuation) }
                return published.isFreed
            }
            if isFreed { continuation.resume() }
        }
    }

    /// Whether work handed to the loop still makes sense.
    var isOpen: Bool { !isTornDown }
}
