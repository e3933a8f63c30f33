import Foundation
import Testing
import XML

@testable import XMPP

/// A server played by a script: each line is what it sends, or what the client must have sent before.
struct StreamNegotiationTests {
    static let account = JID("juliet@capulet.example")
    static let header =
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
        + "id='1' from='capulet.example' version='1.0'>"
    static let startTLSFeatures =
        "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
    static let bindFeatures =
        "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
        + "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session></stream:features>"
    static let sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
    static let tls13 = TLSParameters(
        version: .tls13, channelBindings: [.tlsExporter: [1, 2, 3], .tlsServerEndPoint: [4, 5]])
    static let tls12 = TLSParameters(version: .tls12, channelBindings: [.tlsUnique: [6], .tlsServerEndPoint: [4, 5]])
    static let noBinding = TLSParameters(version: .tls13)

    static func mechanisms(_ names: [String], bindings: [String]? = nil) -> String {
        let list = bindings.map { bindings in
            "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"
                + bindings.map { "<channel-binding type='\($0)'/>" }.joined() + "</sasl-channel-binding>"
        }
        return "<stream:features>\(list ?? "")<mechanisms \(sasl)>"
            + names.map { "<mechanism>\($0)</mechanism>" }.joined() + "</mechanisms></stream:features>"
    }

    /// A client and the server's side of its stream.
    struct Session {
        var machine: StreamNegotiation
        var parser = XMLStreamParser()

        init(password: String = "pencil", resource: String? = "sleigh.1") throws {
            machine = StreamNegotiation(
                account: try #require(account), password: Password(password), resource: resource,
                cryptography: TestCryptography())
        }

        /// What the client does when the server sends this.
        mutating func server(_ text: String) -> [StreamNegotiation.Action] {
            var actions: [StreamNegotiation.Action] = []
            for event in parser.feed(Array(text.utf8)) { actions += machine.received(event) }
            if actions.contains(.restartStream) { parser = XMLStreamParser() }
            return actions
        }

        mutating func secure(_ tls: TLSParameters) -> [StreamNegotiation.Action] {
            parser = XMLStreamParser()
            return machine.tlsEstablished(tls)
        }
    }

    /// A session over direct TLS whose server has just offered some mechanisms, and what the client then does.
    static func offered(
        _ names: [String], bindings: [String]? = nil, tls: TLSParameters = noBinding, password: String = "pencil"
    ) throws -> (session: Session, actions: [StreamNegotiation.Action]) {
        var session = try Session(password: password)
        _ = session.secure(tls)
        let actions = session.server(header + mechanisms(names, bindings: bindings))
        return (session, actions)
    }

    /// Mechanism and first message of an `<auth/>`.
    static func auth(_ actions: [StreamNegotiation.Action]) throws -> (mechanism: String?, message: String) {
        guard actions.count == 1, case .send(let text) = actions[0] else { throw XMLStreamError.notWellFormed }
        let element = try XMLElement(parsing: text)
        #expect(element.matches("auth", namespace: Namespace.sasl))
        let bytes = try #require(Base64.decode(element.text))
        return (element["mechanism"], String(decoding: bytes, as: UTF8.self))
    }

    /// The server's side of SCRAM, after the client's first message.
    struct SCRAMServer {
        var function: SASLHashFunction
        var password = "pencil"
        var salt: [UInt8] = [1, 2, 3, 4]
        var clientFirstBare: String
        var serverFirst: String

        init(_ function: SASLHashFunction, clientFirst: String) throws {
            self.function = function
            clientFirstBare =
                clientFirst.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false).last
                .map { String($0) } ?? ""
            let nonce = try #require(clientFirstBare.split(separator: ",").last).dropFirst(2)
            serverFirst = "r=\(nonce)server,s=\(Base64.encode(salt)),i=100"
        }

        var challenge: String { "<challenge \(sasl)>\(base64(serverFirst))</challenge>" }

        /// The server's final message; `nil` when the client's proof is wrong.
        func final(answering clientFinal: String) throws -> String? {
            let crypto = TestCryptography()
            let parts = clientFinal.components(separatedBy: ",p=")
            let authMessage = Array("\(clientFirstBare),\(serverFirst),\(parts[0])".utf8)
            let salted = crypto.pbkdf2(
                password: Array(password.utf8), salt: salt, iterations: 100, with: function)
            let clientKey = crypto.hmac(key: salted, Array("Client Key".utf8), with: function)
            let signature = crypto.hmac(key: crypto.hash(clientKey, with: function), authMessage, with: function)
            guard parts[1] == Base64.encode(zip(clientKey, signature).map { $0 ^ $1 }) else { return nil }
            let serverKey = crypto.hmac(key: salted, Array("Server Key".utf8), with: function)
            return "v=" + Base64.encode(crypto.hmac(key: serverKey, authMessage, with: function))
        }
    }

    static func response(_ actions: [StreamNegotiation.Action]) throws -> String {
        guard actions.count == 1, case .send(let text) = actions[0] else { throw XMLStreamError.notWellFormed }
        let element = try XMLElement(parsing: text)
        #expect(element.matches("response", namespace: Namespace.sasl))
        return String(decoding: try #require(Base64.decode(element.text)), as: UTF8.self)
    }

    // MARK: Transcripts

    @Test(arguments: [true, false])
    func startTLSThenSCRAMThenBind(_ finalInSuccess: Bool) throws {
        var session = try Session()
        #expect(
            session.machine.connected() == [
                .send(
                    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
                        + "xmlns:stream='http://etherx.jabber.org/streams' to='capulet.example' version='1.0' "
                        + "xml:lang='en'>")
            ])
        #expect(session.server(Self.header) == [])
        #expect(
            session.server(Self.startTLSFeatures) == [.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")])
        #expect(session.server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>") == [.startTLS])
        let secured = session.secure(Self.tls13)
        #expect(secured.count == 2 && secured[0] == .restartStream)
        guard case .send(let header)? = secured.last else { return #expect(Bool(false), "nothing sent") }
        #expect(header.contains(" from='juliet@capulet.example' "))

        let names = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]
        let first = try Self.auth(
            session.server(Self.header + Self.mechanisms(names, bindings: ["tls-server-end-point", "tls-exporter"])))
        #expect(first.mechanism == "SCRAM-SHA-256-PLUS")
        #expect(first.message.hasPrefix("p=tls-exporter,,n=juliet,r="))
        let server = try SCRAMServer(.sha256, clientFirst: first.message)
        let clientFinal = try Self.response(session.server(server.challenge))
        #expect(clientFinal.hasPrefix("c=" + Base64.encode(Array("p=tls-exporter,,".utf8) + [1, 2, 3]) + ","))
        let final = base64(try #require(try server.final(answering: clientFinal)))
        let success: [StreamNegotiation.Action]
        if finalInSuccess {
            success = session.server("<success \(Self.sasl)>\(final)</success>")
        } else {
            let answer = session.server("<challenge \(Self.sasl)>\(final)</challenge>")
            #expect(answer == [.send("<response \(Self.sasl)/>")])
            success = session.server("<success \(Self.sasl)/>")
        }
        #expect(success == [.restartStream, .send(header)])

        #expect(
            session.server(Self.header + Self.bindFeatures) == [
                .send(
                    "<iq id='bind-1' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                        + "<resource>sleigh.1</resource></bind></iq>")
            ])
        let bound = session.server(
            "<iq type='result' id='bind-1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                + "<jid>juliet@capulet.example/sleigh.1</jid></bind></iq>")
        #expect(bound == [.bound(try #require(JID("juliet@capulet.example/sleigh.1")))])
    }

    /// A session just after a log-in with PLAIN.
    static func loggedIn() throws -> Session {
        var (session, actions) = try offered(["PLAIN"])
        #expect(try auth(actions).message == "\0juliet\0pencil")
        #expect(session.server("<success \(sasl)/>").first == .restartStream)
        return session
    }

    @Test func aSessionIsEstablishedOnlyWhereTheServerInsists() throws {
        var session = try Self.loggedIn()
        _ = session.server(
            Self.header + "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
                + "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></stream:features>")
        let request = session.server(
            "<iq type='result' id='bind-1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                + "<jid>juliet@capulet.example/x</jid></bind></iq>")
        #expect(
            request == [
                .send(
                    "<iq id='session-1' type='set'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
            ])
        let bound = session.server("<iq type='result' id='session-1'/>")
        #expect(bound == [.bound(try #require(JID("juliet@capulet.example/x")))])
    }

    @Test func bindingMayBeRefused() throws {
        var session = try Self.loggedIn()
        _ = session.server(Self.header + Self.bindFeatures)
        let actions = session.server(
            "<iq type='error' id='bind-1'><error type='cancel'>"
                + "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
        #expect(actions == [.failed(.bindingRefused(StanzaError(.conflict, kind: .cancel)))])
    }

    @Test(arguments: [
        "<iq type='result' id='bind-1'/>",
        "<iq type='result' id='bind-1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "<iq type='result' id='bind-1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>@</jid></bind></iq>",
        "<iq type='result' id='bind-1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>a@b</jid></bind></iq>",
        "<iq type='set' id='bind-1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>a@b/c</jid></bind></iq>",
        "<iq type='result' id='other'/>",
    ])
    func aWrongBindingAnswerFails(_ answer: String) throws {
        var session = try Self.loggedIn()
        _ = session.server(Self.header + Self.bindFeatures)
        #expect(session.server(answer) == [.failed(.unexpectedElement("iq"))])
    }

    // MARK: TLS is never skipped

    @Test(arguments: [
        mechanisms(["PLAIN", "SCRAM-SHA-1"]), "<stream:features/>",
        "<stream:features><starttls xmlns='urn:example:other'/></stream:features>",
    ])
    func withoutSTARTTLSThereIsNoLogIn(_ features: String) throws {
        var session = try Session()
        _ = session.machine.connected()
        #expect(session.server(Self.header + features) == [.failed(.tlsNotOffered)])
        // Nor afterwards.
        #expect(session.server(Self.mechanisms(["PLAIN"])) == [])
    }

    @Test func aServerMayRefuseSTARTTLS() throws {
        var session = try Session()
        _ = session.machine.connected()
        _ = session.server(Self.header + Self.startTLSFeatures)
        #expect(session.server("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>") == [.failed(.tlsRefused)])
    }

    @Test func whatIsInjectedBeforeTheHandshakeFails() throws {
        var session = try Session()
        _ = session.machine.connected()
        _ = session.server(Self.header + Self.startTLSFeatures)
        let actions = session.server("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><iq type='set' id='1'/>")
        #expect(actions == [.startTLS, .failed(.unexpectedElement("iq"))])
        #expect(session.secure(Self.tls13) == [])
    }

    @Test func aLogInWithoutTLSIsNotAccepted() throws {
        var session = try Session()
        _ = session.machine.connected()
        _ = session.server(Self.header + Self.startTLSFeatures)
        #expect(session.server("<success \(Self.sasl)/>") == [.failed(.unexpectedElement("success"))])
    }

    // MARK: Mechanisms

    struct Choice: Sendable {
        var names: [String]
        var bindings: [String]?
        var tls: TLSParameters
        var mechanism: String
        var start: String
    }

    static let all = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]
    static let choices = [
        Choice(
            names: all, bindings: ["tls-exporter"], tls: tls13, mechanism: "SCRAM-SHA-256-PLUS",
            start: "p=tls-exporter,,"),
        Choice(names: all, tls: tls13, mechanism: "SCRAM-SHA-256-PLUS", start: "p=tls-exporter,,"),
        Choice(names: all, tls: tls12, mechanism: "SCRAM-SHA-256-PLUS", start: "p=tls-unique,,"),
        Choice(
            names: all, bindings: ["tls-server-end-point"], tls: tls13, mechanism: "SCRAM-SHA-256-PLUS",
            start: "p=tls-server-end-point,,"),
        Choice(names: all, tls: noBinding, mechanism: "SCRAM-SHA-256", start: "n,,"),
        // The exporter is not used with TLS 1.2, nor tls-unique with 1.3.
        Choice(
            names: all, tls: TLSParameters(version: .tls12, channelBindings: [.tlsExporter: [1]]),
            mechanism: "SCRAM-SHA-256", start: "n,,"),
        Choice(
            names: all, tls: TLSParameters(version: .tls13, channelBindings: [.tlsUnique: [1]]),
            mechanism: "SCRAM-SHA-256", start: "n,,"),
        // The server offers a type we lack the data for: no attack.
        Choice(
            names: all, bindings: ["tls-server-end-point"],
            tls: TLSParameters(version: .tls13, channelBindings: [.tlsExporter: [1]]), mechanism: "SCRAM-SHA-256",
            start: "n,,"),
        Choice(
            names: ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "SCRAM-SHA-256"], tls: tls13, mechanism: "SCRAM-SHA-1-PLUS",
            start: "p=tls-exporter,,"),
        // Somebody may have taken the -PLUS mechanisms away; the server will notice the "y".
        Choice(names: ["PLAIN", "SCRAM-SHA-1"], tls: tls13, mechanism: "SCRAM-SHA-1", start: "y,,"),
        Choice(
            names: ["SCRAM-SHA-256"], bindings: ["tls-exporter"], tls: tls13, mechanism: "SCRAM-SHA-256",
            start: "y,,"),
        Choice(names: ["DIGEST-MD5", "PLAIN"], tls: tls13, mechanism: "PLAIN", start: "\0juliet\0"),
    ]

    @Test(arguments: choices)
    func picksTheBestMechanism(_ choice: Choice) throws {
        let auth = try Self.auth(
            Self.offered(choice.names, bindings: choice.bindings, tls: choice.tls).actions)
        #expect(auth.mechanism == choice.mechanism)
        #expect(auth.message.hasPrefix(choice.start))
    }

    @Test func aListWithoutAnyTypeServersMustHaveIsAnAttack() throws {
        let actions = try Self.offered(Self.all, bindings: ["made-up"], tls: Self.tls13).actions
        #expect(actions == [.failed(.channelBindingTampered)])
    }

    @Test func aServerWithoutKnownMechanismsIsRefused() throws {
        #expect(try Self.offered(["GSSAPI"]).actions == [.failed(.noMechanism(offered: ["GSSAPI"]))])
        var session = try Session()
        _ = session.secure(Self.tls13)
        #expect(session.server(Self.header + "<stream:features/>") == [.failed(.noMechanism(offered: []))])
    }

    @Test func aPasswordThatCannotBeSentIsRefused() throws {
        #expect(try Self.offered(["PLAIN"], password: "a\u{0}b").actions == [.failed(.unusableCredentials)])
    }

    @Test func thePasswordIsInNoDescription() throws {
        var (session, actions) = try Self.offered(["PLAIN"])
        let secret = base64("\0juliet\0pencil")
        guard case .send(let text)? = actions.first else { return #expect(Bool(false), "nothing sent") }
        #expect(text.contains(secret))
        actions += session.server("<failure \(Self.sasl)><not-authorized/></failure>")
        var dumped = ""
        dump((session.machine, actions), to: &dumped)
        for text in ["\(actions)", "\(actions[0])", String(reflecting: actions), "\(session.machine)", dumped] {
            #expect(!text.contains(secret) && !text.contains("pencil"))
        }
    }

    // MARK: Refusals

    static let failures: [(String, SASLFailure)] = [
        ("<not-authorized/>", SASLFailure(.notAuthorized)),
        ("<not-authorized/><text xml:lang='en'>No</text>", SASLFailure(.notAuthorized, text: "No")),
        ("<account-disabled/>", SASLFailure(.accountDisabled)),
        ("<temporary-auth-failure/>", SASLFailure(.temporaryAuthFailure)),
        ("<made-up/>", SASLFailure(nil)),
        ("", SASLFailure(nil)),
    ]

    @Test(arguments: failures)
    func aRefusedLogInSaysWhy(_ condition: String, _ expected: SASLFailure) throws {
        for name in ["PLAIN", "SCRAM-SHA-1"] {
            var session = try Self.offered([name]).session
            let actions = session.server("<failure \(Self.sasl)>\(condition)</failure>")
            #expect(actions == [.failed(.refused(expected))])
        }
    }

    @Test func theWrongPasswordGivesTheWrongProof() throws {
        var (session, actions) = try Self.offered(["SCRAM-SHA-1"], password: "wrong")
        let server = try SCRAMServer(.sha1, clientFirst: Self.auth(actions).message)
        let proof = try Self.response(session.server(server.challenge))
        #expect(try server.final(answering: proof) == nil)
    }

    @Test(arguments: [
        ("v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", SASLProtocolError.wrongServerSignature), ("e=other", .malformedMessage),
        ("", .malformedMessage),
    ])
    func aServerThatDoesNotKnowThePasswordIsRefused(_ final: String, _ expected: SASLProtocolError) throws {
        for name in ["success", "challenge"] {
            var (session, actions) = try Self.offered(["SCRAM-SHA-1"])
            let server = try SCRAMServer(.sha1, clientFirst: Self.auth(actions).message)
            _ = session.server(server.challenge)
            let answer = session.server("<\(name) \(Self.sasl)>\(base64(final))</\(name)>")
            #expect(answer == [.send("<abort \(Self.sasl)/>"), .failed(.serverNotAuthentic(expected))])
        }
    }

    @Test(arguments: [
        ("<success \(sasl)/>", SASLProtocolError.unexpectedMessage),
        ("<success \(sasl)>AAA=</success>", .unexpectedMessage),
        ("<challenge \(sasl)>%</challenge>", .malformedMessage), ("<challenge \(sasl)/>", .malformedMessage),
        ("<challenge \(sasl)>/w==</challenge>", .malformedMessage),
    ])
    func aServerThatSkipsItsProofIsRefused(_ text: String, _ expected: SASLProtocolError) throws {
        var session = try Self.offered(["SCRAM-SHA-1"]).session
        let actions = session.server(text)
        #expect(actions == [.send("<abort \(Self.sasl)/>"), .failed(.serverNotAuthentic(expected))])
    }

    @Test(arguments: [
        (
            "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            StreamNegotiationError.streamError(StreamError(.hostUnknown))
        ),
        ("</stream:stream>", .streamEnded),
        ("<message/>", .unexpectedElement("message")),
        ("<challenge \(sasl)/>", .unexpectedElement("challenge")),
    ])
    func whatDoesNotBelongThereFails(_ text: String, _ expected: StreamNegotiationError) throws {
        var session = try Session()
        _ = session.machine.connected()
        #expect(session.server(Self.header + text) == [.failed(expected)])
    }

    @Test func unreadableXMLIsAnsweredWithAStreamError() throws {
        var session = try Session()
        _ = session.machine.connected()
        let actions = session.server(Self.header + "<!-- -->")
        #expect(
            actions == [
                .send(
                    "<stream:error><restricted-xml xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
                        + "</stream:stream>"), .failed(.unreadable(.restricted(.comment))),
            ])
    }

    @Test(arguments: [
        ("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", StreamNegotiationError.unsupportedVersion),
        ("<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='0.9'>", .unsupportedVersion),
        ("<stream xmlns='urn:other' version='1.0'>", .unexpectedElement("stream")),
        ("<html>", .unexpectedElement("html")),
    ])
    func aWrongHeaderFails(_ text: String, _ expected: StreamNegotiationError) throws {
        var session = try Session()
        _ = session.machine.connected()
        #expect(session.server(text) == [.failed(expected)])
    }

    @Test func seeOtherHostKeepsTheHost() throws {
        let element = try XMLElement(
            parsing: "<error xmlns='http://etherx.jabber.org/streams'>"
                + "<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>[2001:db8::1]:5223</see-other-host></error>"
        )
        #expect(StreamError(element)?.otherHost == "[2001:db8::1]:5223")
    }
}
