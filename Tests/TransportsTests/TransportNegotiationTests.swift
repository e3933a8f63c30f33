import Jingle
import SecureChannels
import Synchronization
import Testing
import Transports
import XML
import XMPP

/// The ladder of transports, with transports that do what a test says.
@Suite struct TransportNegotiationTests {
    /// What a transport does at each end.
    struct Plan: Sendable, CustomTestStringConvertible {
        var name: String
        var initiator: [String: Script.Act]
        var responder: [String: Script.Act]
        /// The transport both use in the end, and what is said about those before.
        var outcome: String
        var reasons: [String]

        var testDescription: String { name }
    }

    @Test(arguments: [
        Plan(name: "the first works", initiator: [:], responder: [:], outcome: "a", reasons: []),
        Plan(
            name: "the first fails on both sides", initiator: ["a": .fail], responder: ["a": .fail], outcome: "b",
            reasons: ["a failed"]),
        Plan(
            name: "the first fails where it is noticed first", initiator: ["a": .fail], responder: ["a": .hang],
            outcome: "b", reasons: ["a failed"]),
        Plan(
            name: "only the responder notices", initiator: ["a": .hang], responder: ["a": .fail], outcome: "b",
            reasons: ["the peer gave transport a up"]),
        Plan(
            name: "only the responder notices, and the initiator knows why", initiator: ["a": .wait],
            responder: ["a": .fail], outcome: "b", reasons: ["a waits"]),
        Plan(
            name: "two fail", initiator: ["a": .fail, "b": .fail], responder: ["a": .fail, "b": .fail], outcome: "c",
            reasons: ["a failed", "b failed"]),
        Plan(
            name: "the responder may not use the second", initiator: ["a": .fail],
            responder: ["a": .fail, "b": .forbidden], outcome: "c",
            reasons: ["a failed", "transport b: the peer does not take it"]),
        Plan(
            name: "the initiator cannot make the second", initiator: ["a": .fail, "b": .unavailable],
            responder: ["a": .fail], outcome: "c", reasons: ["a failed", "b is unavailable"]),
        Plan(
            name: "the responder may not use the first", initiator: ["a": .fail], responder: ["a": .forbidden],
            outcome: "b", reasons: ["a failed"]),
        Plan(
            name: "the initiator may not use the first", initiator: ["a": .forbidden], responder: [:], outcome: "b",
            reasons: []),
    ])
    func bothSidesTakeTheBestThatWorks(_ plan: Plan) async throws {
        let ends = try await Ends(plan.initiator, plan.responder)
        let (sent, received) = try await ends.connect()
        #expect(try sent.get().path.remoteAddress == plan.outcome)
        #expect(try sent.get().path.reasons == plan.reasons)
        #expect(try received.get().path.remoteAddress == plan.outcome)
        await ends.stop()
    }

    /// The smaller of what the user wants and what the peer asks for is what the connection in use is told; those that failed
    /// are told nothing.
    @Test(
        arguments: [
            (nil, nil, nil, false), (5000, nil, 5000, false), (nil, 5000, 5000, true), (5000, 6000, 5000, false),
            (6000, 5000, 5000, true), (5000, 5000, 5000, false),
        ] as [(UInt64?, UInt64?, UInt64?, Bool)])
    func smallerLimitCounts(own: UInt64?, peer: UInt64?, used: UInt64?, isPeers: Bool) async throws {
        let (own, peer, used) = (
            own.flatMap(RateLimit.init), peer.flatMap(RateLimit.init), used.flatMap(RateLimit.init)
        )
        let ends = try await Ends(["a": .fail], ["a": .fail])
        ends.initiator.negotiation.limit(own)
        let (sent, received) = try await ends.connect(limit: peer)
        let path = try sent.get().path
        #expect(path.limits.sending == used)
        #expect(path.limits.isSendingForPeer == isPeers)
        #expect(path.limits.receiving == own)
        #expect(ends.initiator.made.sendingLimits == [[], used.map { [$0] } ?? []])
        #expect(try received.get().path.limits == RateLimits())
        await ends.stop()
    }

    /// A path that is there already, or was given up, does not suffer from what is said about it.
    @Test func transportInfoThatCannotBeUsedDoesNotEndAConnection() async throws {
        let ends = try await Ends([:], [:])
        let info = JingleEvent.transportInfo(
            .file, .unknown(XMLElement("transport", namespace: "a", attributes: ["fault": "yes"])))
        await #expect(throws: TransportFailure.self) { try await ends.initiator.negotiation.take(info) }
        _ = try await ends.connect()
        await #expect(throws: Never.self) { try await ends.initiator.negotiation.take(info) }
        await ends.stop()
    }

    /// What the next transport needs is fetched while the first is still tried, but not at once.
    @Test func theNextTransportIsPrepared() async throws {
        let (prepared, continuation) = AsyncStream.makeStream(of: String.self)
        let rungs = ["a", "b"].map { name in
            TransportRung(namespace: name, name: name, prepare: { continuation.yield(name) }) { _ in
                Script(name, .hang, theirs: .connect)
            }
        }
        let negotiation = try await TransportNegotiation(offering: rungs, of: .file) { _ in }
        await withDiscardingTaskGroup { group in
            group.addTask { await negotiation.run() }
            #expect(await prepared.first { _ in true } == "b")
            negotiation.close()
        }
    }

    @Test func withoutAnyPathBothSidesKnowEveryReason() async throws {
        let acts: [String: Script.Act] = ["a": .fail, "b": .fail, "c": .fail]
        let ends = try await Ends(acts, acts)
        let (sent, received) = try await ends.connect()
        #expect(throws: TransportFailure.noPath(["a failed", "b failed", "c failed"])) { try sent.get() }
        #expect(throws: TransportFailure.noPath(["a failed", "b failed", "c failed"])) { try received.get() }
        await ends.stop()
    }

    /// Both give the first up, and neither waits for the other.
    @Test(arguments: 0..<20) func crossingProposalsEndInOne(round: Int) async throws {
        var limits = TransportNegotiation.Limits()
        limits.proposal = .zero
        let ends = try await Ends(["a": .fail], ["a": .fail], limits: limits)
        let (sent, received) = try await ends.connect()
        #expect(try sent.get().path.remoteAddress == received.get().path.remoteAddress)
        await ends.stop()
    }

    @Test(arguments: [Script.Act.otherFingerprint, .noFingerprint])
    func whoHasSignalledACertificateKeepsToIt(_ act: Script.Act) async throws {
        let ends = try await Ends(["a": .fail], ["a": .fail, "b": act])
        let (sent, _) = try await ends.connect()
        #expect(throws: TransportFailure.peerNotAuthenticated) { try sent.get() }
        await ends.stop()
    }

    @Test func aPeerThatAnswersNoProposalIsGivenUp() async throws {
        var limits = TransportNegotiation.Limits()
        limits.answer = .milliseconds(50)
        let ends = try await Ends(["a": .fail], ["a": .hang], limits: limits)
        let (sent, _) = try await ends.connect(responderFollows: false)
        #expect(throws: TransportFailure.noPath(["a failed", "the peer did not answer the proposal of transport b"])) {
            try sent.get()
        }
        await ends.stop()
    }

    @Test func aTransportThatIsNotUsedIsClosed() async throws {
        let ends = try await Ends(["a": .fail], [:])
        let session = try await ends.offer()
        let initiator = ends.initiator
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await initiator.negotiation.connect() }
            for await case .transportReplaceOffered in session.theirs.events { break }
            group.cancelAll()
        }
        initiator.negotiation.close()
        #expect(initiator.made.namespaces == ["a", "b"])
        #expect(initiator.made.openNamespaces == [])
        await ends.stop()
    }

    /// What leads nowhere is not begun with: nothing would be connected, or what may not be.
    @Test(arguments: [("a", "abc"), ("b", "bc"), ("c", "c")])
    func whatMayNotBeUsedIsAnsweredOnlyToLeadOn(offered: String, forbidden: String) async throws {
        let rungs = ["a", "b", "c"].map { namespace in
            TransportRung(
                namespace: namespace, name: "transport \(namespace)",
                isAllowed: !forbidden.contains(namespace)
            ) { _ in Script(namespace, .connect, theirs: .connect) }
        }
        let transport = ContentTransport.unknown(XMLElement("transport", namespace: offered))
        let why = "transport \(offered), which the peer offers, is not permitted here"
        await #expect(throws: TransportFailure.unavailable(why)) {
            try await TransportNegotiation(answering: transport, of: .file, rungs: rungs) { _ in }
        }
    }

    @Test func aPeerThatWantsOneReplacementAfterTheOtherIsGivenUp() async throws {
        let ends = try await Ends(["a": .hang, "b": .hang, "c": .hang], [:])
        let session = try await ends.offer()
        let initiator = ends.initiator
        let result = await withTaskGroup(of: Result<any PeerConnection, any Error>?.self) { group in
            group.addTask {
                await initiator.follow(session.ours)
                return nil
            }
            group.addTask { await Result.of { try await initiator.negotiation.connect() } }
            group.addTask {
                for namespace in ["b", "c", "b", "c", "b", "c", "b", "c", "b", "c"] {
                    let element = XMLElement("transport", namespace: namespace)
                    guard
                        (try? await session.theirs.replaceTransports([(.file, .unknown(element))])) != nil
                    else { break }
                    for await event in session.theirs.events {
                        if case .transportReplaceAccepted = event { break }
                        if case .transportReplaceRejected = event { break }
                    }
                }
                return nil
            }
            defer { group.cancelAll() }
            for await case let result? in group { return result }
            return .failure(TestFailure())
        }
        #expect(throws: TransportFailure.self) { try result.get() }
        await ends.stop()
    }
}

/// A transport that does as it is told.
final class Script: TransportMethod {
    enum Act: Sendable {
        case connect, fail, hang, forbidden, unavailable, otherFingerprint, noFingerprint
        /// As `hang`, but knows of an obstacle.
        case wait
    }

    let namespace: String
    let isOpen = Mutex(true)
    /// What the connection was told.
    let sendingLimits = Mutex<[RateLimit?]>([])
    private let act: Act
    private let theirs: Act
    private let isClosed = AsyncStream.makeStream(of: Void.self)

    init(_ namespace: String, _ act: Act, theirs: Act) {
        self.namespace = namespace
        self.act = act
        self.theirs = theirs
    }

    var peerFingerprint: Fingerprint? {
        switch theirs {
        case .otherFingerprint: Fingerprint(bytes: [UInt8](repeating: 2, count: 32))
        case .noFingerprint: nil
        default: Fingerprint(bytes: [UInt8](repeating: 1, count: 32))
        }
    }

    func run() async {}
    func localDescription() async -> ContentTransport { .unknown(XMLElement("transport", namespace: namespace)) }
    func receive(_ remote: ContentTransport) throws(TransportFailure) {
        guard case .unknown(let element) = remote, element.namespace == namespace else {
            throw .unusableDescription("another transport")
        }
        if element["fault"] != nil { throw .unusableDescription("what cannot be used") }
    }
    func nextTransportInfo() async -> ContentTransport? { nil }
    func obstacles() async -> [String] { if case .wait = act { ["\(namespace) waits"] } else { [] } }

    func connect() async throws -> any PeerConnection {
        switch act {
        case .fail, .forbidden: throw TransportFailure.noPath(["\(namespace) failed"])
        case .hang, .wait:
            for await _ in isClosed.stream {}
            throw CancellationError()
        default: return Connected(script: self)
        }
    }

    func acceptStream() async throws -> AcceptedStream {
        (try await connect(), "file", Nowhere())
    }

    func close() {
        isOpen.withLock { $0 = false }
        isClosed.continuation.finish()
    }

    private struct Connected: PeerConnection {
        let script: Script
        var path: PathReport { PathReport(kind: .inBand, remoteAddress: script.namespace) }
        func openStream(contentName: String) async throws -> any ByteStream { Nowhere() }
        func acceptStream() async throws -> (contentName: String, stream: any ByteStream) { ("file", Nowhere()) }
        func limitSending(to limit: RateLimit?) async { script.sendingLimits.withLock { $0.append(limit) } }
        func close(code: UInt64) async {}
        func waitUntilClosed() async throws {}
    }

    private final class Nowhere: ByteStream {
        func read() async throws -> Block? { nil }
        var unacknowledgedByteCount: Int { 0 }
        func write(_ block: Block) async throws {}
        func flush() async throws {}
        func finish() async throws {}
        func reset(code: UInt64) {}
    }
}

/// The transports one end has made.
private final class Made: Sendable {
    private let transports = Mutex<[Script]>([])

    var namespaces: [String] { transports.withLock { $0.map(\.namespace) } }
    var openNamespaces: [String] {
        transports.withLock { $0.filter { $0.isOpen.withLock { $0 } }.map(\.namespace) }
    }

    var sendingLimits: [[RateLimit?]] { transports.withLock { $0.map { $0.sendingLimits.withLock { $0 } } } }

    func add(_ transport: Script) -> Script {
        transports.withLock { $0.append(transport) }
        return transport
    }
}

/// Two hosts, with a ladder of three transports each.
private struct Ends: Sendable {
    struct End: Sendable {
        let negotiation: TransportNegotiation
        let made: Made
        let isAccepted = Gate()

        func follow(_ session: JingleSessionHandle) async {
            for await event in session.events {
                guard (try? await negotiation.take(event)) != nil else { return }
                if case .accepted = event { isAccepted.open() }
            }
        }
    }

    let alice: JingleHost
    let bob: JingleHost
    let initiator: End
    private let responderActs: [String: Script.Act]
    private let initiatorActs: [String: Script.Act]
    private let limits: TransportNegotiation.Limits

    init(
        _ initiatorActs: [String: Script.Act], _ responderActs: [String: Script.Act],
        limits: TransportNegotiation.Limits? = nil
    ) async throws {
        let channels = try LinkedChannel.pair()
        alice = JingleHost(channel: channels.0)
        bob = JingleHost(channel: channels.1)
        await alice.start()
        await bob.start()
        var quick = TransportNegotiation.Limits()
        quick.proposal = .milliseconds(300)
        self.limits = limits ?? quick
        self.responderActs = responderActs
        self.initiatorActs = initiatorActs
        let made = Made()
        initiator = End(
            negotiation: try await TransportNegotiation(
                offering: Self.rungs(initiatorActs, theirs: responderActs, made), of: .file, limits: self.limits
            ) { _ in }, made: made)
    }

    private static func rungs(
        _ acts: [String: Script.Act], theirs: [String: Script.Act], _ made: Made
    ) -> [TransportRung] {
        ["a", "b", "c"].map { namespace in
            let act = acts[namespace] ?? .connect
            let isForbidden = if case .forbidden = act { true } else { false }
            return TransportRung(namespace: namespace, name: "transport \(namespace)", isAllowed: !isForbidden) {
                _ throws(TransportFailure) in
                if case .unavailable = act { throw .unavailable("\(namespace) is unavailable") }
                return made.add(Script(namespace, act, theirs: theirs[namespace] ?? .connect))
            }
        }
    }

    /// Begins a session that the responder accepts with the very transport.
    ///
    /// - Parameter limit: what the responder asks for.
    func offer(limit: RateLimit? = nil) async throws -> (ours: JingleSessionHandle, theirs: JingleSessionHandle) {
        let transport = try #require(await initiator.negotiation.localDescription())
        var content = Content(.file, senders: .initiator, transport: transport)
        content.description = .fileTransfer(FileDescription(name: "a.txt", size: 3))
        let session = try await alice.initiate([content], sid: "s", to: bob.address)
        let offer = try #require(await bob.offers.first { _ in true })
        var answer = offer.contents
        answer[0].limit = limit
        try await offer.session.accept(answer)
        initiator.negotiation.begin(session)
        return (session, offer.session)
    }

    /// Connects both sides, each to its end.
    func connect(
        responderFollows: Bool = true, limit: RateLimit? = nil
    ) async throws -> (sent: Result<any PeerConnection, any Error>, received: Result<any PeerConnection, any Error>) {
        let session = try await offer(limit: limit)
        let transport = try #require(await initiator.negotiation.localDescription())
        let made = Made()
        let responder = End(
            negotiation: try await TransportNegotiation(
                answering: transport, of: .file, rungs: Self.rungs(responderActs, theirs: initiatorActs, made),
                limits: limits
            ) { _ in }, made: made)
        responder.negotiation.begin(session.theirs)
        defer {
            initiator.negotiation.close()
            responder.negotiation.close()
        }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { await initiator.negotiation.run() }
            group.addTask { await responder.negotiation.run() }
            group.addTask { await initiator.follow(session.ours) }
            if responderFollows { group.addTask { await responder.follow(session.theirs) } }
            defer { group.cancelAll() }
            try? await initiator.isAccepted.wait()
            let received = Task {
                await Result.of { try await responder.negotiation.acceptStream().connection }
            }
            let sent = await Result.of { try await initiator.negotiation.connect() }
            // Whoever has no path ends the session, and so the other's search.
            if case .failure = sent, !responderFollows { received.cancel() }
            if case .failure(TransportFailure.peerNotAuthenticated) = sent { received.cancel() }
            return (sent, await received.value)
        }
    }

    func stop() async {
        await alice.stop()
        await bob.stop()
    }
}
