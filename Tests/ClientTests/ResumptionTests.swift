import Foundation
import Logging
import Synchronization
import Testing
import XML
import XMPP

@testable import Client

/// Streams whose connection is lost (XEP-0198), with a real Prosody behind a relay.
@Suite(.enabled(if: TestProsody.isInstalled), .serialized, .timeLimit(.minutes(1)), .prosody)
struct ResumptionTests {
    private static let namespace = "urn:example:note"

    let prosody: TestProsody

    init() throws { prosody = try #require(TestProsody.running) }

    /// Alice over a relay, and bob.
    private struct Pair {
        var alice: XMPPClient
        var bob: XMPPClient
        var relay: TestRelay

        func close() async {
            await alice.close()
            await bob.close()
            relay.stop()
        }

        /// Breaks alice's connection, and lets her have no other.
        func interrupt() async throws {
            relay.cut(isOpen: false)
            try await waitUntil { !isConnected }
        }

        var isConnected: Bool { alice.state.withLock { $0.link != nil } }
        var isResumed: Bool { alice.state.withLock { $0.resumed != nil } }
    }

    private func logIn(_ account: String, over port: Int, _ limits: StreamConnection.Limits) async throws -> XMPPClient
    {
        let configuration = ClientConfiguration(
            account: try #require(JID(account)), password: Password("pencil"), resource: "desk",
            server: ServerEndpoint(host: "127.0.0.1", port: port, security: .startTLS),
            authorityFile: prosody.authorityFile)
        let client = try await XMPPClient.connect(configuration, limits: limits, log: Logger(label: "test"))
        try await client.becomeAvailable()
        try await waitUntil { client.state.withLock { $0.management.session != nil } }
        return client
    }

    private func pair(
        at domain: String = "resumable.test", limits: StreamConnection.Limits = .init()
    ) async throws -> Pair {
        let relay = try await TestRelay(to: prosody.port)
        var limits = limits
        limits.longestPauseSeconds = 0.1
        return Pair(
            alice: try await logIn("alice@\(domain)", over: relay.port, limits),
            bob: try await logIn("bob@\(domain)", over: prosody.port, .init()), relay: relay)
    }

    private static func note(_ text: String, to address: JID) -> XMLElement {
        Message(to: address, kind: .normal, payloads: [XMLElement("note", namespace: namespace, text: text)]).element
    }

    private static func texts(_ count: Int, of messages: AsyncStream<XMLElement>) async -> [String] {
        var texts: [String] = []
        for await message in messages {
            texts.append(message.first("note", namespace: namespace)?.text ?? "")
            if texts.count == count { break }
        }
        return texts
    }

    private static let question = XMLElement("question", namespace: namespace)

    /// How the connection is lost.
    enum Loss: CaseIterable {
        case bothSidesSeeIt
        case nobodySeesIt
    }

    @Test(arguments: Loss.allCases) func aRequestUnderWayIsAnswered(loss: Loss) async throws {
        var limits = StreamConnection.Limits()
        (limits.acknowledging, limits.inspection) = (.milliseconds(300), .milliseconds(50))
        let pair = try await pair(limits: limits)
        var requests = pair.bob.requests(inNamespace: Self.namespace).makeAsyncIterator()
        async let answer = pair.alice.request(
            .get, to: pair.bob.address, payload: Self.question, timeout: .seconds(30))
        let request = try #require(await requests.next())
        switch loss {
        case .bothSidesSeeIt: pair.relay.cut()
        case .nobodySeesIt:
            pair.relay.silence()
            try await pair.alice.send(Self.note("into the void", to: pair.bob.address))
        }
        try await pair.bob.send(request.result(request.request).element)
        #expect(try await answer == Self.question)
        #expect(pair.isResumed && pair.alice.closingReason == nil)
        await pair.close()
    }

    /// In both directions, exactly once and in order.
    @Test func whatIsSentMeanwhileArrives() async throws {
        let pair = try await pair()
        let (alices, bobs) = (
            pair.alice.messages(withChildIn: Self.namespace), pair.bob.messages(withChildIn: Self.namespace)
        )
        let texts = (0..<20).map { "\($0)" }
        for text in texts.prefix(5) { try await pair.alice.send(Self.note(text, to: pair.bob.address)) }
        try await pair.interrupt()
        for text in texts.dropFirst(5) { try await pair.alice.send(Self.note(text, to: pair.bob.address)) }
        for text in texts { try await pair.bob.send(Self.note(text, to: pair.alice.address)) }
        // The time of a request does not run meanwhile.
        let isOver = Atomic(false)
        async let pong: Void = {
            _ = try? await pair.alice.request(.get, to: nil, payload: Ping.request, timeout: .milliseconds(50))
            isOver.store(true, ordering: .sequentiallyConsistent)
        }()
        try await Task.sleep(for: .milliseconds(200))
        let wasOver = isOver.load(ordering: .sequentiallyConsistent)
        #expect(!wasOver)
        pair.relay.reopen()
        await pong
        for (sender, receiver) in [(pair.alice, pair.bob), (pair.bob, pair.alice)] {
            try await sender.send(Self.note("end", to: receiver.address))
        }
        #expect(await Self.texts(21, of: bobs) == texts + ["end"])
        #expect(await Self.texts(21, of: alices) == texts + ["end"])
        await pair.close()
    }

    /// What is kept has a limit, beyond which a sender waits.
    @Test func aSenderWaitsForRoom() async throws {
        let pair = try await pair()
        let messages = pair.bob.messages(withChildIn: Self.namespace)
        try await pair.interrupt()
        let count = StreamManagement.stanzaLimit + 50
        let sending = Task {
            for number in 0..<count { try await pair.alice.send(Self.note("\(number)", to: pair.bob.address)) }
        }
        try await waitUntil { pair.alice.state.withLock { $0.room != nil } }
        #expect(pair.alice.state.withLock(\.management.keptCount) == StreamManagement.stanzaLimit)
        async let received = Self.texts(count, of: messages)
        pair.relay.reopen()
        try await sending.value
        #expect(await received == (0..<count).map { "\($0)" })
        await pair.close()
    }

    /// As after another log-in with the same resource.
    @Test func aStreamTheServerHasForgottenIsOver() async throws {
        let pair = try await pair()
        let messages = pair.alice.messages(withChildIn: Self.namespace)
        try await pair.interrupt()
        let request = Task {
            try await pair.alice.request(.get, to: nil, payload: Ping.request, timeout: .seconds(30))
        }
        await (try logIn("alice@resumable.test", over: prosody.port, .init())).close()
        pair.relay.reopen()
        #expect(try await pair.alice.closed == .notResumed(.itemNotFound))
        await #expect(throws: StanzaChannelError.self) { try await request.value }
        await #expect(throws: StanzaChannelError.self) { try await pair.alice.becomeAvailable() }
        #expect(await Self.texts(1, of: messages) == [])
        #expect(ClientError.notResumed(.itemNotFound).isTransient)
        await pair.close()
    }

    /// No longer than we like, and no longer than the server does, which is a second.
    @Test(arguments: [("resumable.test", Duration.milliseconds(100)), ("forgetful.test", .seconds(3600))])
    func itIsNotTriedForEver(domain: String, limit: Duration) async throws {
        var limits = StreamConnection.Limits()
        limits.resuming = limit
        let pair = try await pair(at: domain, limits: limits)
        pair.relay.cut(isOpen: false)
        guard case .closed = try await pair.alice.closed else { return #expect(Bool(false), "not the first reason") }
        await pair.close()
    }

    /// After the close nobody is there, and the server keeps nothing: with a connection that was resumed, and with none.
    @Test(arguments: [false, true]) func closingLeavesNoSession(isInterrupted: Bool) async throws {
        var limits = StreamConnection.Limits()
        limits.closing = .seconds(30)
        let pair = try await pair(limits: limits)
        let messages = pair.bob.messages(withChildIn: Self.namespace)
        try await pair.interrupt()
        if !isInterrupted {
            pair.relay.reopen()
            try await waitUntil { pair.isResumed }
        }
        try await pair.alice.send(Self.note("goodbye", to: pair.bob.address))
        async let closed: Void = pair.alice.close()
        pair.relay.reopen()
        await closed
        #expect(try await pair.alice.closed == .closed(reason: "closed here"))
        #expect(await Self.texts(1, of: messages) == ["goodbye"])
        await #expect(throws: StanzaError(.serviceUnavailable, kind: .cancel)) {
            try await pair.bob.request(.get, to: pair.alice.address, payload: Ping.request, timeout: .seconds(20))
        }
        await pair.close()
    }

    /// There is no server to say goodbye to.
    @Test func closingDoesNotWaitForEver() async throws {
        var limits = StreamConnection.Limits()
        limits.closing = .milliseconds(100)
        let pair = try await pair(limits: limits)
        try await pair.interrupt()
        await pair.alice.close()
        #expect(try await pair.alice.closed == .closed(reason: "closed here"))
        await pair.close()
    }

    /// A stream error is the end of the stream.
    @Test func whoIsReplacedDoesNotComeBack() async throws {
        let pair = try await pair()
        let other = try await logIn("alice@resumable.test", over: prosody.port, .init())
        #expect(try await pair.alice.closed == .replaced)
        await other.close()
        await pair.close()
    }

    @Test func aServerThatIsShutDownIsLeft() async throws {
        let pair = try await pair()
        let error =
            "<stream:error xmlns:stream='http://etherx.jabber.org/streams'>"
            + "<system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        let ending = pair.alice.received([.stanza(try XMLElement(parsing: error))])
        guard case .over(.streamError(.systemShutdown), _) = ending else { return #expect(Bool(false), "resumed") }
        await pair.close()
    }
}

private func waitUntil(_ condition: () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(5)) }
}
