import Synchronization
import XML
import XMPP

/// One end of a link that carries stanzas in memory, in order; the other end is another of these.
///
/// Like the real stream it sends nothing for a task that was cancelled. Time is up at once: a request to a silent peer
/// has timed out as soon as it is sent.
final class LinkedChannel: StanzaChannel {
    let address: JID
    let maximumStanzaByteCount: Int?

    private typealias Waiter = AsyncStream<Result<XMLElement?, any Error>>.Continuation

    private struct State {
        var peer: LinkedChannel?
        var waiters: [String: Waiter] = [:]
        var readers: [String: AsyncStream<IQ>.Continuation] = [:]
        var sentPayloads: [XMLElement] = []
        var requestCount = 0
        var isSilent = false
        var isCut = false
    }

    private let state = Mutex(State())

    private init(_ address: JID, _ maximumStanzaByteCount: Int?) {
        self.address = address
        self.maximumStanzaByteCount = maximumStanzaByteCount
    }

    /// Makes two ends.
    static func pair(maximumStanzaByteCount limit: Int? = nil) throws -> (LinkedChannel, LinkedChannel) {
        guard let alice = JID("alice@a.example/one"), let bob = JID("bob@b.example/two") else { throw TestFailure() }
        let ends = (LinkedChannel(alice, limit), LinkedChannel(bob, limit))
        ends.0.state.withLock { $0.peer = ends.1 }
        ends.1.state.withLock { $0.peer = ends.0 }
        return ends
    }

    /// The payloads of all requests sent from here.
    var sentPayloads: [XMLElement] { state.withLock { $0.sentPayloads } }

    /// From now on takes nothing and answers nothing.
    func fallSilent() { state.withLock { $0.isSilent = true } }

    /// Ends the stream, as when the server goes.
    func cut() {
        let (waiters, readers) = state.withLock { state in
            state.isCut = true
            defer {
                state.waiters = [:]
                state.readers = [:]
            }
            return (state.waiters, state.readers)
        }
        for waiter in waiters.values { waiter.yield(.failure(StanzaChannelError.closed(reason: "cut"))) }
        for reader in readers.values { reader.finish() }
    }

    /// Sends a request from here as if a host had, and returns the answer.
    func request(_ payload: XMLElement) async throws {
        guard let peer = state.withLock({ $0.peer }) else { throw TestFailure() }
        _ = try await request(.set, to: peer.address, payload: payload, timeout: .zero)
    }

    func sendRequest(
        _ kind: RequestKind, to: JID?, payload: XMLElement, timeout: Duration
    ) async throws -> PendingAnswer {
        try Task.checkCancellation()
        let answer = AsyncStream.makeStream(of: Result<XMLElement?, any Error>.self)
        let (id, peer, isCut) = state.withLock { state in
            state.requestCount += 1
            state.sentPayloads.append(payload)
            if !state.isCut { state.waiters["\(state.requestCount)"] = answer.continuation }
            return ("\(state.requestCount)", state.peer, state.isCut)
        }
        if isCut { throw StanzaChannelError.closed(reason: "cut") }
        if let peer, !peer.state.withLock({ $0.isSilent }) {
            peer.take(
                IQ(from: address, to: to, id: id, content: kind == .get ? .get(payload) : .set(payload)))
        } else {
            self.answer(id, .failure(StanzaChannelError.timedOut))
        }
        return PendingAnswer {
            for await result in answer.stream { return try result.get() }
            self.state.withLock { _ = $0.waiters.removeValue(forKey: id) }
            throw CancellationError()
        }
    }

    func send(_ stanza: XMLElement) async throws {
        try Task.checkCancellation()
        var iq = try IQ(stanza)
        iq.from = address
        state.withLock { $0.peer }?.take(iq)
    }

    func requests(inNamespace namespace: String) -> AsyncStream<IQ> {
        let (stream, continuation) = AsyncStream.makeStream(of: IQ.self)
        state.withLock { $0.readers[namespace] = continuation }
        return stream
    }

    func messages(withChildIn namespace: String) -> AsyncStream<XMLElement> { AsyncStream { $0.finish() } }

    private func take(_ iq: IQ) {
        switch iq.content {
        case .get(let payload), .set(let payload):
            guard let reader = state.withLock({ $0.readers[payload.namespace] }) else {
                state.withLock { $0.peer }?.answer(
                    iq.id, .failure(StanzaError(.serviceUnavailable, kind: .cancel)))
                return
            }
            reader.yield(iq)
        case .result(let payload): answer(iq.id, .success(payload))
        case .error(let error): answer(iq.id, .failure(error))
        }
    }

    private func answer(_ id: String, _ result: Result<XMLElement?, any Error>) {
        state.withLock { $0.waiters.removeValue(forKey: id) }?.yield(result)
    }
}

struct TestFailure: Error {}
