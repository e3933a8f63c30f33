import Client
import Synchronization
import XML
import XMPP

/// What the other side sends, acknowledged at once, and kept until it is asked for.
final class Inbox: Sendable {
    struct Arrival: Sendable {
        var kind: String
        var payload: XMLElement
        var sender: JID
    }

    private let client: XMPPClient
    private let arrivals: AsyncStream<Arrival>
    private let continuation: AsyncStream<Arrival>.Continuation
    private let kept = Mutex<[Arrival]>([])
    /// The bytes of in-band blocks.
    private let bytes = Mutex<[UInt8]>([])
    private let grown: AsyncStream<Void>
    private let growth: AsyncStream<Void>.Continuation
    private let requests: [AsyncStream<IQ>]
    private let messages: AsyncStream<XMLElement>

    init(client: XMPPClient) {
        self.client = client
        (arrivals, continuation) = AsyncStream.makeStream()
        (grown, growth) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        requests = ["urn:xmpp:jingle:1", "http://jabber.org/protocol/ibb"].map { client.requests(inNamespace: $0) }
        messages = client.messages(withChildIn: "urn:xmpp:jingle-message:0")
    }

    func run() async {
        await withDiscardingTaskGroup { group in
            for stream in requests { group.addTask { for await request in stream { await self.take(request) } } }
            for await message in messages {
                guard let sender = message["from"].flatMap({ JID($0) }),
                    let payload = message.elements.first(where: { $0.namespace == "urn:xmpp:jingle-message:0" })
                else { continue }
                continuation.yield(Arrival(kind: payload.name, payload: payload, sender: sender))
            }
        }
    }

    private func take(_ request: IQ) async {
        guard case .set(let payload) = request.content, let sender = request.from else { return }
        if payload.name == "data" {
            guard let block = Base64.decode(payload.text.filter { !$0.isWhitespace }) else { return }
            bytes.withLock { $0 += block }
            growth.yield()
        }
        try? await client.send(IQ(to: sender, id: request.id, content: .result(nil)).element)
        if payload.name != "data" {
            tell("received \(kind(of: payload))")
            continuation.yield(Arrival(kind: kind(of: payload), payload: payload, sender: sender))
        }
    }

    /// The next of some kinds; whatever comes before stays for later.
    func next(_ kinds: Set<String>) async throws -> Arrival {
        func find() -> Arrival? {
            kept.withLock { kept in
                kept.firstIndex { kinds.contains($0.kind) }.map { kept.remove(at: $0) }
            }
        }
        if let found = find() { return found }
        for await arrival in arrivals {
            if kinds.contains(arrival.kind) { return arrival }
            if arrival.kind == "session-terminate" {
                let reason = arrival.payload.descendants.map { $0.name == "text" ? $0.text : $0.name }
                throw Failure("the peer ended the session instead of \(kinds.sorted()): \(reason)")
            }
            kept.withLock { $0.append(arrival) }
        }
        throw Failure("the stream ended before \(kinds.sorted()) came")
    }

    /// So many bytes of in-band blocks.
    func inBandBytes(_ count: Int) async throws -> [UInt8] {
        for await _ in grown where bytes.withLock({ $0.count >= count }) { break }
        return bytes.withLock { $0 }
    }
}
