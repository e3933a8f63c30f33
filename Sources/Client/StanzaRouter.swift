internal import XML
internal import XMPP

/// Who gets which stanza.
struct StanzaRouter {
    /// How many stanzas may wait for one reader. What comes while so many wait is refused or dropped: a peer must
    /// not be able to fill the memory.
    static let waitingCount = 256

    /// What became of a request.
    enum Outcome {
        case taken, tooMany, nobody
    }

    private struct Reader<Stanza: Sendable> {
        var number: Int
        var continuation: AsyncStream<Stanza>.Continuation
    }

    private var requestReaders: [String: Reader<IQ>] = [:]
    private var messageReaders: [String: [Reader<XMLElement>]] = [:]
    private var lastNumber = 0

    /// Adds the reader of a namespace's requests. Returns its number, and the reader in whose place it comes, which
    /// the caller has to finish.
    mutating func addRequests(
        inNamespace namespace: String, _ continuation: AsyncStream<IQ>.Continuation
    ) -> (number: Int, former: AsyncStream<IQ>.Continuation?) {
        lastNumber += 1
        let reader = Reader(number: lastNumber, continuation: continuation)
        return (lastNumber, requestReaders.updateValue(reader, forKey: namespace)?.continuation)
    }

    /// Removes the reader of that number, if it still is there.
    mutating func removeRequests(inNamespace namespace: String, number: Int) {
        if requestReaders[namespace]?.number == number { requestReaders[namespace] = nil }
    }

    /// Adds a reader of the messages with a child in a namespace. Returns its number.
    mutating func addMessages(
        withChildIn namespace: String, _ continuation: AsyncStream<XMLElement>.Continuation
    ) -> Int {
        lastNumber += 1
        messageReaders[namespace, default: []].append(Reader(number: lastNumber, continuation: continuation))
        return lastNumber
    }

    /// Removes the reader of that number.
    mutating func removeMessages(withChildIn namespace: String, number: Int) {
        messageReaders[namespace]?.removeAll { $0.number == number }
    }

    /// Hands a request to the reader of its namespace.
    func route(request: IQ, namespace: String) -> Outcome {
        guard let reader = requestReaders[namespace] else { return .nobody }
        return switch reader.continuation.yield(request) {
        case .enqueued: .taken
        case .dropped: .tooMany
        case .terminated: .nobody
        @unknown default: .nobody
        }
    }

    /// Hands a message to the readers of the namespaces of its children, to each once.
    func route(message: XMLElement) {
        for namespace in Set(message.elements.map(\.namespace)) {
            for reader in messageReaders[namespace] ?? [] { reader.continuation.yield(message) }
        }
    }

    /// Ends all sequences.
    func finish() {
        for reader in requestReaders.values { reader.continuation.finish() }
        for reader in messageReaders.values.joined() { reader.continuation.finish() }
    }
}
