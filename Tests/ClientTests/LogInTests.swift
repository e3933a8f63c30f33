import Foundation
import Logging
import SecureChannels
import Synchronization
import TestSupport
import Testing
import XML
import XMPP

@testable import Client

/// The client against a real Prosody.
@Suite(.enabled(if: TestProsody.isInstalled), .serialized, .timeLimit(.minutes(10)), .prosody)
struct LogInTests {
    let prosody: TestProsody

    init() throws { prosody = try #require(TestProsody.running) }

    func configuration(
        _ account: String, resource: String? = nil, password: String = "pencil", direct: Bool = false,
        trusting: Bool = true
    ) throws -> ClientConfiguration {
        ClientConfiguration(
            account: try #require(JID(account)), password: Password(password), resource: resource,
            server: ServerEndpoint(
                host: "127.0.0.1", port: direct ? prosody.directPort : prosody.port,
                security: direct ? .directTLS : .startTLS),
            authorityFile: trusting ? prosody.authorityFile : nil, features: ["urn:example:feature"])
    }

    func logIn(
        _ account: String, resource: String? = nil, limits: StreamConnection.Limits = .init()
    ) async throws -> XMPPClient {
        try await XMPPClient.connect(
            configuration(account, resource: resource), limits: limits, log: Logger(label: "test"))
    }

    func failure(_ configuration: ClientConfiguration) async -> ClientError? {
        do throws(ClientError) {
            await (try XMPPClient.connect(configuration, log: Logger(label: "test"))).close()
            return nil
        } catch {
            return error
        }
    }

    @Test(
        arguments: [
            ("alice@modern.test", "SCRAM-SHA-256-PLUS"), ("alice@old.test", "SCRAM-SHA-256-PLUS"),
            ("alice@sha1.test", "SCRAM-SHA-1"), ("alice@plain.test", "PLAIN"),
        ], [false, true]) func logsIn(account: (name: String, mechanism: String), direct: Bool)
        async throws
    {
        // With direct TLS, Prosody 0.12 picks the certificate by SNI, but the TLS versions of the first host.
        if direct, account.name == "alice@old.test" { return }
        let before = prosody.log.utf8.count
        let client = try await XMPPClient.connect(
            configuration(account.name, resource: "device", direct: direct), log: Logger(label: "test"))
        #expect(client.address == JID(account.name + "/device"))
        let log = String(decoding: prosody.log.utf8.dropFirst(before), as: UTF8.self)
        #expect(log.contains("mechanism='\(account.mechanism)'"))
        let stream = client.stream
        #expect(stream.mechanism == account.mechanism)
        #expect(stream.endpoint.port == (direct ? prosody.directPort : prosody.port))
        #expect(stream.endpoint.security == (direct ? .directTLS : .startTLS))
        #expect(stream.tlsVersion == (account.name == "alice@old.test" ? "TLSv1.2" : "TLSv1.3"))
        #expect(stream.ipAddress == "127.0.0.1")
        #expect(stream.features.first("bind", namespace: "urn:ietf:params:xml:ns:xmpp-bind") != nil)
        await client.close()
        #expect(try await client.closed == .closed(reason: "closed here"))
        await #expect(throws: StanzaChannelError.self) { try await client.becomeAvailable() }
    }

    @Test func theServerMayChooseTheResource() async throws {
        let client = try await logIn("alice@modern.test")
        #expect(client.address.resource?.isEmpty == false)
        await client.close()
    }

    @Test(arguments: [
        ("alice@modern.test", "wrong"), ("nobody@modern.test", "pencil"), ("alice@plain.test", "wrong"),
    ])
    func refusesWrongCredentials(account: String, password: String) async throws {
        let error = await failure(try configuration(account, password: password))
        #expect(error == .authenticationFailed(.notAuthorized))
        #expect(error?.isTransient == false)
    }

    @Test(arguments: [false, true]) func refusesAnUnknownAuthority(direct: Bool) async throws {
        let configuration = try configuration("alice@modern.test", direct: direct, trusting: false)
        let server = try #require(configuration.server)
        #expect(await failure(configuration) == .tlsFailed(server, .certificateRefused(.unknownIssuer)))
    }

    @Test func refusesAnotherName() async throws {
        let configuration = try configuration("alice@wrong.test")
        let server = try #require(configuration.server)
        let fault = CertificateFault.wrongName(expected: "wrong.test", names: ["modern.test"])
        #expect(await failure(configuration) == .tlsFailed(server, .certificateRefused(fault)))
    }

    @Test func aHostThatProsodyDoesNotServe() async throws {
        #expect(await failure(try configuration("alice@unknown.test")) == .streamError(.hostUnknown))
    }

    @Test func nobodyListens() async throws {
        var configuration = try configuration("alice@modern.test")
        let held = try HeldPort()
        defer { withExtendedLifetime(held) {} }
        let endpoint = ServerEndpoint(host: "127.0.0.1", port: Int(held.port), security: .startTLS)
        configuration.server = endpoint
        let error = await failure(configuration)
        #expect(error == .connectFailed(endpoint, reason: "Connection refused"))
        #expect(error?.isTransient == true)
    }

    @Test func twoClientsTalk() async throws {
        let alice = try await logIn("alice@modern.test", resource: "a")
        let bob = try await logIn("bob@modern.test", resource: "b")
        let namespace = "urn:example:echo"
        let requests = bob.requests(inNamespace: namespace)
        let messages = bob.messages(withChildIn: namespace)
        try await bob.becomeAvailable()

        // What the client answers by itself.
        try await alice.request(.get, to: bob.address, payload: Ping.request, timeout: .seconds(300))
        let info = try await alice.discover(bob.address)
        #expect(info.has("urn:example:feature") && info.has(Ping.namespace))
        let unknown = XMLElement("query", namespace: "urn:example:unknown")
        await #expect(throws: StanzaError(.serviceUnavailable, kind: .cancel)) {
            try await alice.request(.get, to: bob.address, payload: unknown, timeout: .seconds(300))
        }

        // What somebody serves.
        let echo = XMLElement("echo", namespace: namespace, text: "Grüße & <more>")
        async let answer = alice.request(.set, to: bob.address, payload: echo, timeout: .seconds(300))
        var iterator = requests.makeAsyncIterator()
        let request = try #require(await iterator.next())
        #expect(request.from == alice.address)
        try await bob.send(request.result(request.request).element)
        #expect(try await answer == echo)

        try await alice.send(Message(to: bob.address.bare, kind: .chat, payloads: [echo]).element)
        var messageIterator = messages.makeAsyncIterator()
        #expect(
            await messageIterator.next()?.first("echo", namespace: namespace)?.text == "Grüße & <more>")

        // A request that is not answered in time.
        await #expect(throws: StanzaChannelError.timedOut) {
            try await alice.request(.set, to: bob.address, payload: echo, timeout: .milliseconds(50))
        }

        // Capabilities make the second question unnecessary, even when nobody is there to answer it.
        try await bob.sendDirectedPresence(to: alice.address)
        try await alice.request(.get, to: bob.address, payload: Ping.request, timeout: .seconds(300))
        #expect(try await alice.discover(bob.address) == alice.discover(bob.address))
        await bob.close()
        await #expect(throws: (any Error).self) {
            try await alice.request(.get, to: bob.address, payload: Ping.request, timeout: .seconds(300))
        }
        #expect(await iterator.next()?.request == echo)
        #expect(await iterator.next() == nil)
        await alice.close()
    }

    @Test func knowsTheServersTurnServices() async throws {
        let client = try await logIn("alice@modern.test")
        let services = try await client.externalServices()
        #expect(services.contains { $0.kind == .stun })
        let turn = try #require(services.first { $0.kind == .turn })
        #expect(turn.host == "127.0.0.1")
        #expect(turn.username?.isEmpty == false)
        #expect(turn.password?.text.isEmpty == false)
        await client.close()
    }

    @Test func carbonsArriveLikeMessages() async throws {
        let first = try await logIn("alice@modern.test", resource: "one")
        let second = try await logIn("alice@modern.test", resource: "two")
        let bob = try await logIn("bob@modern.test", resource: "b")
        let messages = second.messages(withChildIn: "urn:example:note")
        for client in [first, second] { try await client.becomeAvailable() }
        try await second.enableCarbons()
        let note = XMLElement("note", namespace: "urn:example:note", text: "for all")
        let body = XMLElement("body", namespace: Namespace.client, text: "hello")
        try await bob.send(Message(to: first.address, kind: .chat, payloads: [body, note]).element)
        var iterator = messages.makeAsyncIterator()
        let message = try #require(await iterator.next())
        #expect(message.first("note", namespace: "urn:example:note")?.text == "for all")
        #expect(message["from"] == bob.address.description)
        for client in [first, second, bob] { await client.close() }
    }

    @Test func theSameResourceReplacesTheStream() async throws {
        let first = try await logIn("alice@modern.test", resource: "same")
        let second = try await logIn("alice@modern.test", resource: "same")
        #expect(try await first.closed == .replaced)
        await first.close()
        await second.close()
    }

    @Test func aServerThatStandsStillIsNoticed() async throws {
        var limits = StreamConnection.Limits()
        limits.silence = .milliseconds(50)
        limits.patience = .milliseconds(300)
        let client = try await logIn("alice@modern.test", limits: limits)
        prosody.pause()
        defer { prosody.resume() }
        #expect(try await client.closed == .unresponsive)
    }

    @Test func silenceIsBrokenByAPing() async throws {
        var limits = StreamConnection.Limits()
        limits.silence = .milliseconds(20)
        let client = try await logIn("alice@modern.test", limits: limits)
        // The next question comes only after an answer.
        while client.state.withLock(\.lastNumber) < 3 { try await Task.sleep(for: .milliseconds(5)) }
        try await client.request(.get, to: nil, payload: Ping.request, timeout: .seconds(300))
        await client.close()
    }

    @Test func cancellingGivesUp() async throws {
        prosody.pause()
        defer { prosody.resume() }
        let configuration = try configuration("alice@modern.test")
        let attempt = Task { await failure(configuration) }
        attempt.cancel()
        #expect(await attempt.value == .cancelled)
    }

    @Test func aServerThatDoesNotGreetTimesOut() async throws {
        prosody.pause()
        defer { prosody.resume() }
        var limits = StreamConnection.Limits()
        limits.loggingIn = .milliseconds(100)
        limits.securing = .milliseconds(100)
        for (direct, step) in [(false, ClientError.Step.loggingIn), (true, .securing)] {
            let configuration = try configuration("alice@modern.test", direct: direct)
            let server = try #require(configuration.server)
            await #expect(throws: ClientError.timedOut(step, server)) {
                try await XMPPClient.connect(configuration, limits: limits, log: Logger(label: "test"))
            }
        }
    }
}
