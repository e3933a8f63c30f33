public import XML

/// The way from a new connection to a bound resource (RFC 6120 § 4 to § 7), or back to a stream that lost its
/// connection (XEP-0198 § 5), without I/O.
///
/// The caller reports what happens, with one method for each event, and does what the returned actions say, in
/// order, before it reports the next. Over TCP begin with `connected()`; with direct TLS (XEP-0368), and after the
/// handshake that `.startTLS` asks for, call `tlsEstablished(_:)`. TLS is never skipped: a server that does not offer
/// STARTTLS on a plain connection gets no log-in.
///
/// Once `.bound`, `.resumed` or `.failed` was returned, the machine is done and ignores further events; those after
/// `.bound` and `.resumed` belong to the caller.
public struct StreamNegotiation: Sendable {
    /// What the caller has to do.
    public enum Action: Sendable, Hashable {
        /// Send this text.
        case send(String)
        /// Start the TLS handshake on the connection, as client. The current parser reads nothing more: bytes that
        /// came unencrypted after this point must not count (RFC 6120 § 5.4.3.3).
        case startTLS
        /// From now on read with a new parser.
        case restartStream
        /// The stream is ready under this address.
        case bound(JID)
        /// The former stream goes on, of which the server has received so many stanzas.
        case resumed(handledCount: UInt32)
        /// There will be no stream; close the connection.
        case failed(StreamNegotiationError)
    }

    private enum Stage: Sendable {
        case plain
        case secured(TLSParameters)
        case authenticated
    }

    private enum Exchange: Sendable {
        case plain
        case scram(SCRAM)
    }

    private enum State: Sendable {
        case initial
        case awaitingHeader(Stage)
        case awaitingFeatures(Stage)
        case awaitingProceed
        case awaitingTLS
        case authenticating(Exchange)
        case binding(sessionRequired: Bool)
        case establishingSession(JID)
        case resuming(StreamResumption)
        case finished
    }

    private let account: JID
    private let password: Password
    private let resource: String?
    private let resumption: StreamResumption?
    private let cryptography: any SASLCryptography
    private var state = State.initial

    /// The SASL mechanism of the log-in, such as `SCRAM-SHA-256-PLUS`, once one was chosen.
    public private(set) var mechanism: String?
    /// The features the server offered once the log-in was done (RFC 6120 § 4.3.2).
    public private(set) var features: XMLElement?

    private static let bindID = "bind-1"
    private static let sessionID = "session-1"

    /// Creates the machine for one connection.
    ///
    /// - Parameters:
    ///   - account: the account's address, with a local part.
    ///   - resource: the resource to ask for; `nil` leaves the choice to the server.
    ///   - resumption: the stream to go on with instead.
    public init(
        account: JID, password: Password, resource: String?, resumption: StreamResumption? = nil,
        cryptography: any SASLCryptography
    ) {
        precondition(account.local != nil, "an account has a local part")
        self.account = account.bare
        self.password = password
        self.resource = resource
        self.resumption = resumption
        self.cryptography = cryptography
    }

    // MARK: Events

    /// The TCP connection stands, without TLS.
    public mutating func connected() -> [Action] {
        guard case .initial = state else { preconditionFailure("connected twice") }
        state = .awaitingHeader(.plain)
        return [.send(streamHeader(withSender: false))]
    }

    /// TLS is established, and the server's certificate was verified for the account's domain.
    public mutating func tlsEstablished(_ tls: TLSParameters) -> [Action] {
        switch state {
        case .initial, .awaitingTLS: break
        case .finished: return []
        case .awaitingHeader, .awaitingFeatures, .awaitingProceed, .authenticating, .binding, .establishingSession,
            .resuming:
            preconditionFailure("TLS was not asked for")
        }
        state = .awaitingHeader(.secured(tls))
        return [.restartStream, .send(streamHeader(withSender: true))]
    }

    /// The parser found something.
    ///
    /// The call that answers a SCRAM challenge derives a key, which with the most iterations accepted takes seconds.
    public mutating func received(_ event: XMLStreamEvent) -> [Action] {
        if case .finished = state { return [] }
        switch event {
        case .header(let header): return headerReceived(header)
        case .stanza(let element):
            if let error = StreamError(element) { return fail(.streamError(error)) }
            return elementReceived(element)
        case .end: return fail(.streamEnded)
        case .failed(let error):
            return [.send(StreamError(unreadable: error).closingText)] + fail(.unreadable(error))
        }
    }

    private mutating func headerReceived(_ header: XMLElement) -> [Action] {
        guard case .awaitingHeader(let stage) = state, header.matches("stream", namespace: Namespace.streams) else {
            return fail(.unexpectedElement(header.name))
        }
        guard let major = header["version"]?.split(separator: ".").first.flatMap({ Int($0) }), major >= 1 else {
            return fail(.unsupportedVersion)
        }
        state = .awaitingFeatures(stage)
        return []
    }

    private mutating func elementReceived(_ element: XMLElement) -> [Action] {
        switch state {
        case .awaitingFeatures(let stage):
            guard element.matches("features", namespace: Namespace.streams) else { break }
            return featuresReceived(element, stage)
        case .awaitingProceed:
            guard element.namespace == Namespace.tls else { break }
            guard element.name == "proceed" else { return fail(.tlsRefused) }
            state = .awaitingTLS
            return [.startTLS]
        case .authenticating(let exchange):
            guard element.namespace == Namespace.sasl else { break }
            return saslReceived(element, exchange)
        case .binding(let sessionRequired):
            guard let answer = try? IQ(element), answer.id == Self.bindID else { break }
            return bindingReceived(answer, sessionRequired: sessionRequired)
        case .establishingSession(let address):
            guard let answer = try? IQ(element), answer.id == Self.sessionID else { break }
            if case .error(let error) = answer.content { return fail(.bindingRefused(error)) }
            return finish(.bound(address))
        case .resuming(let resumption):
            guard element.namespace == StreamManagement.namespace else { break }
            return resumptionReceived(element, resumption)
        // In `awaitingTLS`, this is what somebody put between the agreement on TLS and the handshake.
        case .initial, .awaitingHeader, .awaitingTLS, .finished: break
        }
        return fail(.unexpectedElement(element.name))
    }

    // MARK: Steps

    private mutating func featuresReceived(_ features: XMLElement, _ stage: Stage) -> [Action] {
        switch stage {
        case .plain:
            guard features.first("starttls", namespace: Namespace.tls) != nil else { return fail(.tlsNotOffered) }
            state = .awaitingProceed
            return [.send(XMLElement("starttls", namespace: Namespace.tls).serialized())]
        case .secured(let tls):
            do throws(StreamNegotiationError) {
                return try authenticate(with: SASLMechanism.best(in: features, tls: tls))
            } catch {
                return fail(error)
            }
        case .authenticated:
            self.features = features
            if let resumption { return resume(resumption, features) }
            guard features.first("bind", namespace: Namespace.bind) != nil else { return fail(.bindingNotOffered) }
            // RFC 6121 dropped the session; servers that keep it for old clients mark it as optional.
            let session = features.first("session", namespace: Namespace.session)
            state = .binding(sessionRequired: session.map { $0.first("optional") == nil } ?? false)
            var bind = XMLElement("bind", namespace: Namespace.bind)
            if let resource { bind.append(XMLElement("resource", namespace: Namespace.bind, text: resource)) }
            return [request(id: Self.bindID, bind)]
        }
    }

    private mutating func authenticate(
        with mechanism: SASLMechanism
    ) throws(StreamNegotiationError) -> [Action] {
        guard let user = account.local.flatMap(SASLPrep.prepare), let password = SASLPrep.prepare(password.text) else {
            throw .unusableCredentials
        }
        self.mechanism = mechanism.name
        let message: String
        switch mechanism {
        case .plain:
            state = .authenticating(.plain)
            message = "\0\(user)\0\(password)"
        case .scram(let function, let channelBinding):
            var scram = SCRAM(
                function: function, user: user, password: password, channelBinding: channelBinding,
                cryptography: cryptography)
            message = scram.clientFirst()
            state = .authenticating(.scram(scram))
        }
        return [sasl("auth", message, attributes: ["mechanism": mechanism.name])]
    }

    private mutating func saslReceived(_ element: XMLElement, _ exchange: Exchange) -> [Action] {
        switch (element.name, exchange) {
        case ("failure", _): return fail(.refused(SASLFailure(element)))
        case ("success", .plain): return authenticated()
        case ("challenge", .scram(let scram)), ("success", .scram(let scram)):
            do throws(SASLProtocolError) {
                return try scramReceived(element, scram)
            } catch {
                let abort = XMLElement("abort", namespace: Namespace.sasl).serialized()
                return [.send(abort)] + fail(.serverNotAuthentic(error))
            }
        case (_, .plain), (_, .scram): return fail(.unexpectedElement(element.name))
        }
    }

    /// The server's last message comes with `<success/>`, or as a challenge of its own (RFC 6120 § 6.3.10).
    private mutating func scramReceived(_ element: XMLElement, _ scram: SCRAM) throws(SASLProtocolError) -> [Action] {
        var scram = scram
        guard let bytes = Base64.decode(element.text), let message = String(validating: bytes, as: UTF8.self) else {
            throw .malformedMessage
        }
        if element.name == "success" {
            if !scram.isVerified { try scram.verify(serverFinal: message) }
            return authenticated()
        }
        defer { state = .authenticating(.scram(scram)) }
        if scram.awaitsServerFinal {
            try scram.verify(serverFinal: message)
            return [sasl("response", "")]
        }
        return [sasl("response", try scram.clientFinal(answering: message))]
    }

    private mutating func authenticated() -> [Action] {
        state = .awaitingHeader(.authenticated)
        return [.restartStream, .send(streamHeader(withSender: true))]
    }

    private mutating func bindingReceived(_ answer: IQ, sessionRequired: Bool) -> [Action] {
        switch answer.content {
        case .error(let error): return fail(.bindingRefused(error))
        case .get, .set: return fail(.unexpectedElement("iq"))
        case .result(let payload):
            guard let payload, payload.matches("bind", namespace: Namespace.bind),
                let address = payload.first("jid").flatMap({ JID($0.text) }), !address.isBare
            else { return fail(.unexpectedElement("iq")) }
            guard sessionRequired else { return finish(.bound(address)) }
            state = .establishingSession(address)
            return [request(id: Self.sessionID, XMLElement("session", namespace: Namespace.session))]
        }
    }

    private mutating func resume(_ resumption: StreamResumption, _ features: XMLElement) -> [Action] {
        guard StreamManagement.isOffered(in: features) else {
            return fail(.resumptionRefused(StanzaError(.featureNotImplemented, kind: .cancel)))
        }
        state = .resuming(resumption)
        return [.send(resumption.element.serialized())]
    }

    private mutating func resumptionReceived(_ element: XMLElement, _ resumption: StreamResumption) -> [Action] {
        do throws(StreamManagementViolation) {
            switch try resumption.answer(element) {
            case .success(let handledCount): return finish(.resumed(handledCount: handledCount))
            case .failure(let error): return fail(.resumptionRefused(error))
            }
        } catch {
            return fail(.unexpectedElement(element.name))
        }
    }

    private mutating func finish(_ action: Action) -> [Action] {
        state = .finished
        return [action]
    }

    private mutating func fail(_ error: StreamNegotiationError) -> [Action] { finish(.failed(error)) }

    // MARK: What is sent

    /// The sender is named only where nobody can read along (RFC 6120 § 4.7.1).
    private func streamHeader(withSender: Bool) -> String {
        var attributes = ["to": account.domain, "version": "1.0", "xml:lang": "en"]
        if withSender { attributes["from"] = account.description }
        var writer = XMLWriter()
        writer.writeStreamHeader(
            namespace: Namespace.streams, contentNamespace: Namespace.client, attributes: attributes)
        return writer.output
    }

    private func request(id: String, _ payload: XMLElement) -> Action {
        .send(IQ(to: nil, id: id, content: .set(payload)).element.serialized(defaultNamespace: Namespace.client))
    }

    private func sasl(_ name: String, _ message: String, attributes: [String: String] = [:]) -> Action {
        let text = Base64.encode(Array(message.utf8))
        return .send(XMLElement(name, namespace: Namespace.sasl, attributes: attributes, text: text).serialized())
    }
}
