internal import Synchronization
public import XML
public import XMPP

extension XMPPClient {
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

    /// Deals with what the parser found. Returns how the connection has ended, if it has.
    func received(_ events: some Collection<XMLStreamEvent>) -> StreamConnection.Ending? {
        state.withLock { $0.lastReceived = .now }
        for event in events {
            switch event {
            case .stanza(let element):
                if let error = StreamError(element) { return ending(error) }
                do throws(StreamManagementViolation) {
                    try received(element)
                } catch {
                    return .over(ClientError(error), farewell: error.closingText)
                }
            case .end:
                let isClosing = state.withLock(\.isClosing)
                return .over(.closed(reason: "the server closed it"), farewell: isClosing ? "" : "</stream:stream>")
            case .failed(let error):
                return .over(
                    .protocolFailure(reason: "its XML cannot be read"),
                    farewell: StreamError(unreadable: error).closingText)
            case .header: return .over(.protocolFailure(reason: "a second stream header came"))
            }
        }
        return nil
    }

    /// A stream error ends the stream (RFC 6120 § 4.9.1.1), unless it says that only the connection is of no use any
    /// more.
    private func ending(_ error: StreamError) -> StreamConnection.Ending {
        switch error.condition {
        case .connectionTimeout, .reset: .lost(ClientError(error))
        default: .over(ClientError(error))
        }
    }

    private func received(_ element: XMLElement) throws(StreamManagementViolation) {
        if element.namespace == StreamManagement.namespace {
            try state.withLock { state throws(StreamManagementViolation) in try state.management.received(element) }
            return wake()
        }
        guard element.namespace == Namespace.client else { return }
        switch element.name {
        case "iq":
            noteStanza()
            // Never waited for: what makes room for it comes the same way. An answer too many is not given.
            if let answer = iqReceived(element) { _ = enqueue(answer) }
        case "message":
            noteStanza()
            guard let message = try? Message(element) else { return }
            let inner = Carbon(message, account: address).map(\.message.element) ?? element
            state.withLock { $0.router }.route(message: inner)
        case "presence":
            noteStanza()
            guard let presence = try? Presence(element) else { return }
            let router = state.withLock { state in
                state.discovery.note(presence)
                return state.router
            }
            router.route(presence: presence)
        default: return
        }
    }

    private func noteStanza() { state.withLock { $0.management.stanzaReceived() } }

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
