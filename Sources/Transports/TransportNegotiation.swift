// XEP-0166 § 7.2.12 to § 7.2.15: falling back from one transport to the next.
public import Jingle
public import SecureChannels
import Synchronization

/// Finds a way for one content: negotiates one transport method after the other until one connects.
///
/// Order of use: ``run()`` in a child task; ``localDescription()`` for the offer or answer; ``begin(_:)`` once the session
/// may carry transport-infos; ``take(_:)`` for every event of the session; then ``connect()`` or ``acceptStream()``. End
/// with ``close()``.
///
/// The initiator proposes the next method as soon as one fails. The responder waits for that, and proposes one itself when
/// nothing comes. Whichever side proposes, the other may refuse, and then the next is tried.
public final class TransportNegotiation: Sendable {
    /// How long the steps of a fall-back may take.
    package struct Limits: Sendable {
        /// The peer's answer to a transport-replace.
        package var answer = Duration.seconds(20)
        /// The initiator's proposal of another transport, before the responder makes one itself.
        package var proposal = Duration.seconds(15)
        /// A proposal of the peer's that has won over ours (§ 7.2.16).
        package var crossing = Duration.seconds(5)

        package init() {}
    }

    /// How often the transport may be replaced in one session, by either side.
    static let replacementLimit = 8
    /// How long the first method may take before the next ones are prepared.
    private static let preparationDelay = Duration.seconds(1)
    /// How many signals may wait for their reader.
    private static let signalLimit = 64

    let role: JingleRole
    let content: ContentID
    let rungs: [TransportRung]
    let check: Check
    let limits: Limits
    let signals = Mailbox<Signal>(limit: signalLimit)
    let jobs = AsyncStream.makeStream(of: Job.self)
    let state: Mutex<State>

    /// What the session tells the search for a path.
    enum Signal: Sendable {
        case offered(ContentTransport)
        case accepted(ContentTransport)
        case rejected(String?)
    }

    enum Job: Sendable {
        case run(any TransportMethod)
        case signal(any TransportMethod, JingleSessionHandle)
    }

    struct State {
        var session: JingleSessionHandle?
        var method: (any TransportMethod)?
        var namespace: String
        /// What we have proposed in place of the method.
        var proposed: (method: any TransportMethod, namespace: String)?
        /// Infos about a transport that the peer has just proposed, and that has no method here yet.
        var early: [ContentTransport] = []
        var fingerprint: Fingerprint?
        var reasons: [String] = []
        var limits = RateLimits()
        var untried: [TransportRung]
        var replacementCount = 0
        var isConnected = false
        var isClosed = false
    }

    /// Says whether a peer with that fingerprint, or without encryption between the devices, is to be talked to; called
    /// before anything is connected.
    public typealias Check = @Sendable (Fingerprint?) throws -> Void

    /// Begins with the best method that can be used here, as the initiator of a session.
    ///
    /// - Parameter rungs: all that may be used, best first.
    /// - Throws: ``TransportFailure/noPath(_:)`` when there is none.
    public convenience init(
        offering rungs: [TransportRung], of content: ContentID, check: @escaping Check
    ) async throws(TransportFailure) {
        try await self.init(offering: rungs, of: content, limits: Limits(), check: check)
    }

    /// The same, with other limits.
    package convenience init(
        offering rungs: [TransportRung], of content: ContentID, limits: Limits, check: @escaping Check
    ) async throws(TransportFailure) {
        var reasons: [String] = []
        for rung in rungs where rung.isAllowed {
            do {
                let first = try await rung.make(true)
                self.init(.initiator, content, rungs, first, rung.namespace, limits, check)
                note(reasons)
                return
            } catch .unavailable(let why) {
                reasons.append(why)
            }
        }
        throw .noPath(reasons)
    }

    /// Begins with the method a peer offers, as the responder of a session.
    ///
    /// - Parameter rungs: all that are known here, best first. One that may not be used is answered only where another
    ///   may follow it.
    /// - Throws: `TransportFailure`.
    public convenience init(
        answering remote: ContentTransport, of content: ContentID, rungs: [TransportRung], check: @escaping Check
    ) async throws(TransportFailure) {
        try await self.init(answering: remote, of: content, rungs: rungs, limits: Limits(), check: check)
    }

    /// The same, with other limits.
    package convenience init(
        answering remote: ContentTransport, of content: ContentID, rungs: [TransportRung], limits: Limits,
        check: @escaping Check
    ) async throws(TransportFailure) {
        guard let rung = rungs.first(where: { $0.namespace == remote.namespace }) else {
            throw .unavailable("the peer offers a transport that is not used here")
        }
        guard rung.isAllowed || !Self.rungs(rungs, below: rung.namespace).isEmpty else {
            throw .unavailable("\(rung.name), which the peer offers, is not permitted here")
        }
        let first = try await rung.make(false)
        self.init(.responder, content, rungs, first, rung.namespace, limits, check)
        try receive(remote)
    }

    private init(
        _ role: JingleRole, _ content: ContentID, _ rungs: [TransportRung], _ first: any TransportMethod,
        _ namespace: String, _ limits: Limits, _ check: @escaping Check
    ) {
        self.limits = limits
        self.role = role
        self.content = content
        self.rungs = rungs
        self.check = check
        state = Mutex(
            State(method: first, namespace: namespace, untried: Self.rungs(rungs, below: namespace)))
        jobs.continuation.yield(.run(first))
    }

    /// Runs the methods and signals what they have to tell, until it is closed.
    public func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.prepareOthers() }
            for await job in jobs.stream {
                switch job {
                case .run(let method): group.addTask { await method.run() }
                case .signal(let method, let session):
                    group.addTask {
                        while let info = await method.nextTransportInfo() {
                            // It fails when the session is over, or the transport replaced; both are told elsewhere.
                            guard (try? await session.sendTransportInfo(self.content, info)) != nil else { break }
                        }
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// Prepares what is next when the first method does not connect soon.
    private func prepareOthers() async {
        guard (try? await Task.sleep(for: Self.preparationDelay)) != nil else { return }
        let (isConnected, untried) = state.withLock { ($0.isConnected, $0.untried) }
        guard !isConnected else { return }
        for rung in untried { await rung.prepare() }
    }

    /// Our side of the first transport.
    public func localDescription() async -> ContentTransport? { await state.withLock { $0.method }?.localDescription() }

    private func receive(_ remote: ContentTransport) throws(TransportFailure) {
        let method = state.withLock { $0.method }
        try method?.receive(remote)
        noteFingerprint()
    }

    /// From now on tells the peer what the methods find.
    public func begin(_ session: JingleSessionHandle) {
        let method = state.withLock { state in
            state.session = session
            return state.method
        }
        if let method { jobs.continuation.yield(.signal(method, session)) }
    }

    /// Takes an event of the session; those that concern other things are ignored.
    ///
    /// - Throws: `TransportFailure.unusableDescription`.
    public func take(_ event: JingleEvent) async throws(TransportFailure) {
        switch event {
        case .accepted(let contents):
            let answer = contents.first { $0.id == content }
            guard let transport = answer?.transport else {
                throw .unusableDescription("no transport for the content")
            }
            limitSending(forPeer: answer?.limit)
            try receive(transport)
        case .transportInfo(content, let info):
            // What is said about a path that is there already, or in use, does no harm.
            guard !state.withLock({ $0.isConnected }) else { break }
            try method(for: info)?.receive(info)
        case .transportReplaceOffered(content, let transport):
            if state.withLock({ $0.isConnected }) || !signals.put(.offered(transport)) { await reject() }
        case .transportReplaceAccepted(content, let transport): signals.put(.accepted(transport))
        case .transportReplaceRejected(content, let reason):
            signals.put(.rejected(reason.map { $0.text ?? "the peer does not take it" }))
        case .requestFailed(.transportReplace, let contents, let failure) where contents.contains(content):
            // The peer's own proposal, which wins, may still be on the way.
            let hasCrossed =
                if case .refused(let error) = failure { JingleErrorCondition(error) == .tieBreak } else { false }
            signals.put(.rejected(hasCrossed ? nil : "the peer did not understand the proposal"))
        default: break
        }
    }

    /// Connects over the best transport that works. For the side that opens the stream.
    ///
    /// - Throws: `TransportFailure`, `CancellationError`, what the check throws.
    public func connect() async throws -> any PeerConnection {
        try await establish { method, reasons in
            await self.established(try await method.connect(), reasons)
        }
    }

    /// Connects over the best transport that works, and waits for the peer to open the stream.
    ///
    /// - Throws: `TransportFailure`, `ByteStreamError`, `CancellationError`, what the check throws.
    public func acceptStream() async throws -> AcceptedStream {
        try await establish { method, reasons in
            let (connection, name, stream) = try await method.acceptStream()
            let established = await self.established(connection, reasons)
            return (established, name, established.paced(stream))
        }
    }

    private func established(_ connection: any PeerConnection, _ reasons: [String]) async -> EstablishedConnection {
        await EstablishedConnection(
            connection, earlierReasons: reasons, limits: state.withLock { $0.limits })
    }

    /// Limits what this side sends and takes on the connection, from when it is there.
    public func limit(_ limit: RateLimit?) { state.withLock { $0.limits = RateLimits(limit) } }

    /// Takes the limit that the peer asks for in its offer or answer; the smaller counts. From an answer that
    /// ``take(_:)`` gets this is done.
    public func limitSending(forPeer limit: RateLimit?) { state.withLock { $0.limits.limitSending(forPeer: limit) } }

    /// Answers what the peer proposes before it has accepted the session, until cancelled.
    ///
    /// - Throws: `TransportFailure`, `CancellationError`.
    public func answerProposals() async throws {
        while true {
            guard case .offered(let transport) = try await signals.next() else { continue }
            let first = state.withLock { $0.method }
            if try await accept(transport) { first?.close() }
        }
    }

    /// The fingerprint the peer signalled, once it has.
    public var peerFingerprint: Fingerprint? { state.withLock { $0.fingerprint } }

    /// Ends the search for paths; the connection that was chosen goes on. Safe to call more than once.
    public func close() {
        let methods = state.withLock { state in
            state.isClosed = true
            return [state.method, state.proposed?.method]
        }
        for method in methods { method?.close() }
        jobs.continuation.finish()
    }

    // MARK: What the steps share

    private func method(for info: ContentTransport) -> (any TransportMethod)? {
        state.withLock { state in
            if let proposed = state.proposed, proposed.namespace == info.namespace { return proposed.method }
            if state.namespace == info.namespace { return state.method }
            if state.early.count < Self.signalLimit { state.early.append(info) }
            return nil
        }
    }

    func noteFingerprint() {
        state.withLock { state in
            if let fingerprint = state.method?.peerFingerprint { state.fingerprint = state.fingerprint ?? fingerprint }
        }
    }

    /// Why no better path was found so far, one sentence each.
    public func obstacles() async -> [String] {
        let (reasons, method) = state.withLock { ($0.reasons, $0.method) }
        let latest = await method?.obstacles() ?? []
        // A method that has failed has left them behind already.
        return reasons + latest.filter { !reasons.contains($0) }
    }

    func note(_ reasons: [String]) { state.withLock { $0.reasons += reasons } }

    func name(of namespace: String) -> String {
        rungs.first { $0.namespace == namespace }?.name ?? namespace
    }

    /// Why a method failed.
    ///
    /// - Throws: the error when no other method may be tried after it.
    static func reasons(of error: any Error) throws -> [String] {
        switch error {
        case TransportFailure.noPath(let reasons): reasons
        case TransportFailure.unavailable(let why): [why]
        case TransportFailure.unusableDescription(let what): ["the peer signalled \(what)"]
        case TransportFailure.noStream: ["the peer connected but opened no stream"]
        case ByteStreamError.pathLost(let why), ByteStreamError.closed(let why):
            ["the connection was lost before the stream was opened: \(why)"]
        default: throw error
        }
    }

    static func rungs(_ rungs: [TransportRung], below namespace: String) -> [TransportRung] {
        guard let index = rungs.firstIndex(where: { $0.namespace == namespace }) else {
            return rungs.filter(\.isAllowed)
        }
        return rungs[(index + 1)...].filter(\.isAllowed)
    }
}
