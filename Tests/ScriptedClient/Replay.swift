import Client
import Glibc
import SecureChannels
import XML
import XMPP

/// One side of a captured session, played against whoever is at the other end.
///
/// Every stanza of that side is sent as it was captured, in the captured order, with the addresses, identifiers, ports and
/// digests of this run put in; before each, what the other side sent before it is waited for. The bytes travel when the
/// next stanza is about their end.
final class Replay {
    enum Role: String { case initiator, responder }

    private let client: XMPPClient
    private let inbox: Inbox
    private let capture: Capture
    private let role: Role
    private let file: String
    /// An end the capture does not have: the sender ends the session right after the last byte, as Dino may; that of a
    /// stream without success, as Libervia does when it breaks off.
    private let isHasty: Bool
    private let own: JID
    private let other: JID
    private let host: String

    private var peer: JID
    private var bytes: [UInt8] = []
    private var sid = ""
    private var contentName = ""
    private var transportSID = ""
    private var blockSize = 4096
    /// The file as the other side offered it.
    private var offered: XMLElement?
    /// Whether the capture is of a stream, which ends when its sender closes the connection.
    private let isStream: Bool
    private var isMoved = false
    private var isOver = false

    private var listener: Listener?
    private var proxy: XMLElement?
    private var proxyConnection: Connection?
    private var ownCandidates: [XMLElement] = []
    private var peerCandidates: [XMLElement] = []
    /// The candidate of the peer this side connected to, and the own one that the peer connected to.
    private var reached: (candidate: XMLElement, connection: Connection)?
    private var chosenByPeer: XMLElement?

    /// - Parameters:
    ///   - file: what to send, or where to put what comes.
    ///   - peer: whom to offer the session to; for a responder anybody.
    ///   - host: the own IP address.
    init(
        client: XMPPClient, capture: Capture, role: Role, file: String, peer: JID?, host: String, isHasty: Bool
    ) throws {
        self.client = client
        self.capture = capture
        self.role = role
        self.file = file
        self.host = host
        self.isHasty = isHasty
        isStream = capture.stanzas.contains { stanza in
            stanza.element.descendants.contains {
                $0.matches("description", namespace: "http://salut-a-toi.org/protocol/stream")
            }
        }
        (own, other) =
            role == .initiator ? (capture.initiator, capture.responder) : (capture.responder, capture.initiator)
        self.peer = peer ?? client.address
        inbox = Inbox(client: client)
        if role == .initiator { bytes = try readBytes(file) }
        sid = "run-\(UInt64.random(in: 0 ... .max))"
        transportSID = "transport-\(UInt64.random(in: 0 ... .max))"
    }

    /// Plays to the end of the capture.
    func run() async throws {
        try await findProxy()
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            let inbox = inbox
            group.addTask { await inbox.run() }
            for stanza in capture.stanzas {
                for payload in stanza.element.elements where stanza.element["type"] != "result" && !isOver {
                    try await step(payload, of: stanza)
                }
            }
        }
        if role == .responder { try writeBytes(bytes, to: file) }
    }

    private func step(_ payload: XMLElement, of stanza: Capture.Stanza) async throws {
        let kind = kind(of: payload)
        switch (payload.namespace, kind) {
        case ("urn:xmpp:jingle:1", "checksum"), ("urn:xmpp:jingle:1", "session-terminate"),
            ("http://jabber.org/protocol/ibb", "close"):
            // There is nothing to move in a session that never came about.
            if kind != "session-terminate" || reason(in: payload) == "success" { try await moveBytes() }
            if isOver { return }
        case ("urn:xmpp:jingle:1", _), ("urn:xmpp:jingle-message:0", _), ("http://jabber.org/protocol/ibb", "open"):
            break
        case (SOCKS5Bytestream.namespace, "query"):
            if stanza.speaker == own, payload.first("activate") != nil { try await activate(payload) }
            return
        default: return
        }
        let isPrivate = stanza.element["to"].flatMap { JID($0)?.bare } == stanza.speaker.bare
        if stanza.speaker == own {
            try await say(kind, payload, to: isPrivate ? client.address.bare : nil)
        } else if stanza.speaker == other, !isPrivate, kind != "checksum",
            // Both sides of a stream of Libervia's end the session, without waiting for each other.
            !(isStream && kind == "session-terminate")
        {
            let arrival = try await hear(kind)
            guard kind != "session-terminate" || reason(in: arrival) == reason(in: payload) else {
                throw Failure("the session ended with \(arrival.serialized())")
            }
        }
    }

    private func reason(in payload: XMLElement) -> String? { payload.first("reason")?.elements.first?.name }

    // MARK: What the other side says

    private func hear(_ kind: String) async throws -> XMLElement {
        // What becomes of candidates is not the same in every network.
        let outcomes: Set = ["candidate-used", "candidate-error"]
        let arrival = try await inbox.next(outcomes.contains(kind) ? outcomes : [kind])
        let payload = arrival.payload
        let transport = payload.descendants.first { $0.name == "transport" }
        switch arrival.kind {
        case "propose":
            sid = payload["id"] ?? ""
            peer = arrival.sender
        case "proceed": peer = arrival.sender
        case "session-initiate":
            sid = payload["sid"] ?? ""
            peer = arrival.sender
            contentName = payload.first("content")?["name"] ?? ""
            offered = payload.descendants.first { $0.name == "file" }
            if own.resource?.hasPrefix("libervia") == true, !isStream { try refuseLikeLibervia(payload) }
            transportSID = transport?["sid"] ?? ""
            peerCandidates = transport?.all("candidate") ?? []
        case "session-accept": peerCandidates = transport?.all("candidate") ?? []
        case "transport-replace":
            transportSID = transport?["sid"] ?? ""
            blockSize = transport?["block-size"].flatMap { Int($0) } ?? blockSize
        case "transport-accept":
            blockSize = min(blockSize, transport?["block-size"].flatMap { Int($0) } ?? blockSize)
        case "candidate-used":
            let cid = transport?.first("candidate-used")?["cid"]
            chosenByPeer = ownCandidates.first { $0["cid"] == cid }
            guard chosenByPeer != nil else { throw Failure("the peer uses candidate \(cid ?? ""), which is not ours") }
        default: break
        }
        return payload
    }

    /// Libervia refuses an offer that lacks one of these.
    private func refuseLikeLibervia(_ offer: XMLElement) throws {
        for name in ["size", "desc", "hash-used"] where !offer.descendants.contains(where: { $0.name == name }) {
            throw Failure("the offer has no \(name)")
        }
    }

    // MARK: What this side says

    private func say(_ kind: String, _ payload: XMLElement, to account: JID?) async throws {
        if kind == "session-initiate" || kind == "session-accept" { try listen(payload) }
        if kind == "candidate-used" { try await reach(like: capture.candidate(named: cid(in: payload))) }
        if kind == "open" {
            blockSize = min(blockSize, payload["block-size"].flatMap { Int($0) } ?? blockSize)
        }
        let filled = fill(payload)
        tell("sending \(kind)")
        if payload.namespace == "urn:xmpp:jingle-message:0" {
            var message = XMLElement("message", namespace: Namespace.client, attributes: ["type": "chat"])
            message["to"] = (account ?? (kind == "propose" ? peer.bare : peer)).description
            message.append(filled)
            try await client.send(message)
        } else {
            do {
                _ = try await client.request(.set, to: peer, payload: filled, timeout: .seconds(20))
            } catch  where kind == "checksum" {
                // A receiver that has ended the session, as Libervia does, may be gone by now.
            } catch {
                throw Failure("\(kind) was answered with \(error)")
            }
        }
        if kind == "session-initiate" || kind == "session-accept" {
            ownCandidates = filled.descendants.filter { $0.name == "candidate" }
        }
    }

    private func cid(in payload: XMLElement) -> String? { payload.descendants.lazy.compactMap { $0["cid"] }.first }

    /// Listens where the capture's client was reached; where it was not, nobody is.
    private func listen(_ payload: XMLElement) throws {
        guard payload.descendants.contains(where: { $0.name == "candidate" }) else { return }
        let isReached = capture.stanzas.contains { stanza in
            stanza.speaker == other
                && stanza.element.descendants.contains { used in
                    used.name == "candidate-used" && capture.candidate(named: used["cid"])?["type"] == "direct"
                }
        }
        let listener = try Listener()
        if isReached { listener.start(for: ownDestination) }
        self.listener = listener
    }

    private var ownDestination: String {
        destinationAddress(sid: transportSID, owner: client.address.description, other: peer.description)
    }

    private var peerDestination: String {
        destinationAddress(sid: transportSID, owner: peer.description, other: client.address.description)
    }

    /// Connects to the best of the peer's candidates of the type that was used in the capture.
    private func reach(like used: XMLElement?) async throws {
        let candidates = peerCandidates.filter { ($0["type"] ?? "direct") == used?["type"] }.sorted {
            priority($0) > priority($1)
        }
        var failures: [String] = []
        let destination = peerDestination
        for candidate in candidates {
            guard let host = candidate["host"], let port = candidate["port"].flatMap({ UInt16($0) }) else { continue }
            do {
                let connection = try await blocking {
                    let connection = try Connection(host: host, port: port)
                    try connection.ask(for: destination)
                    return connection
                }
                reached = (candidate, connection)
                return
            } catch {
                failures.append("\(error)")
            }
        }
        throw Failure("no \(used?["type"] ?? "") candidate of \(candidates.count) was reached: \(failures)")
    }

    private func priority(_ candidate: XMLElement) -> UInt32 { candidate["priority"].flatMap { UInt32($0) } ?? 0 }

    // MARK: The proxy

    private func findProxy() async throws {
        let address = try jid("proxy.\(client.address.domain)")
        let query = XMLElement("query", namespace: SOCKS5Bytestream.namespace)
        // A server without one is no matter for captures without one.
        let answer = try? await client.request(.get, to: address, payload: query, timeout: .seconds(5))
        proxy = answer?.first("streamhost")
    }

    /// Connects to the own proxy, and tells it to carry the bytes.
    private func activate(_ payload: XMLElement) async throws {
        guard let host = proxy?["host"], let port = proxy?["port"].flatMap({ UInt16($0) }), let address = proxy?["jid"]
        else { throw Failure("the server has no proxy") }
        guard chosenByPeer?["type"] == "proxy" else { throw Failure("the peer does not use the proxy") }
        let destination = ownDestination
        proxyConnection = try await blocking {
            let connection = try Connection(host: host, port: port)
            try connection.ask(for: destination)
            return connection
        }
        tell("sending activate")
        _ = try await client.request(.set, to: try jid(address), payload: fill(payload), timeout: .seconds(20))
    }

    // MARK: The bytes

    private func moveBytes() async throws {
        guard !isMoved else { return }
        isMoved = true
        if role == .responder, offered == nil, !isStream { return }
        let isInBand = capture.stanzas.contains { stanza in
            stanza.element.elements.contains { $0.matches("open", namespace: "http://jabber.org/protocol/ibb") }
        }
        let wanted = offered?.first("size").flatMap { Int($0.text) } ?? 0
        switch (role, isInBand) {
        case (.initiator, true): try await sendBlocks()
        case (.responder, true): bytes = try await inbox.inBandBytes(wanted)
        case (.initiator, false):
            let (connection, bytes) = (try connectionInUse(), bytes)
            try await blocking { try connection.write(bytes) }
            // Libervia closes the connection, the others may leave it open; but Prosody's proxy holds the last bytes back
            // until it is closed.
            let isProxied = [reached?.candidate, chosenByPeer].contains { $0?["type"] == "proxy" }
            if isProxied || own.resource?.hasPrefix("libervia") == true { connection.finish() }
        case (.responder, false):
            let connection = try connectionInUse()
            let isStream = isStream
            bytes = try await blocking { try isStream ? connection.readAll() : connection.read(wanted) }
        }
        tell("moved \(bytes.count) bytes")
        if isHasty, role == .initiator {
            var reason = XMLElement("reason", namespace: "urn:xmpp:jingle:1")
            reason.append(XMLElement(isStream ? "failed-transport" : "success", namespace: "urn:xmpp:jingle:1"))
            let end = XMLElement(
                "jingle", namespace: "urn:xmpp:jingle:1", attributes: ["action": "session-terminate", "sid": sid],
                children: [reason])
            _ = try await client.request(.set, to: peer, payload: end, timeout: .seconds(20))
            isOver = true
        }
    }

    /// Of the two that were used, the candidate with the higher priority; of equals the one the initiator chose
    /// (XEP-0260 § 2.4).
    private func connectionInUse() throws -> Connection {
        if let reached {
            let mine = priority(reached.candidate)
            let theirs = chosenByPeer.map(priority)
            if theirs.map({ mine > $0 || (mine == $0 && role == .initiator) }) ?? true { return reached.connection }
        }
        guard let chosenByPeer else { throw Failure("no candidate is in use") }
        if chosenByPeer["type"] == "proxy" {
            guard let proxyConnection else { throw Failure("the own proxy is in use, but was not activated") }
            return proxyConnection
        }
        guard let listener else { throw Failure("nothing listens") }
        return try listener.connection()
    }

    private func sendBlocks() async throws {
        var start = 0
        var number: UInt16 = 0
        while start < bytes.count {
            let block = bytes[start..<min(start + blockSize, bytes.count)]
            let data = XMLElement(
                "data", namespace: "http://jabber.org/protocol/ibb",
                attributes: ["sid": transportSID, "seq": "\(number)"], text: Base64.encode(Array(block)))
            _ = try await client.request(.set, to: peer, payload: data, timeout: .seconds(20))
            start += block.count
            number &+= 1
        }
    }

    // MARK: Filling in

    /// The captured element with the values of this run.
    private func fill(_ captured: XMLElement) -> XMLElement {
        var element = captured
        for (name, value) in captured.attributes { element[name] = address(value) ?? value }
        switch (captured.namespace, captured.name) {
        case ("urn:xmpp:jingle:1", "jingle"): element["sid"] = sid
        case ("urn:xmpp:jingle:1", "content"):
            if role == .initiator { contentName = captured["name"] ?? "" }
            element["name"] = contentName
        case ("urn:xmpp:jingle:apps:file-transfer:5", "checksum"):
            if captured["name"] != nil { element["name"] = contentName }
        case ("urn:xmpp:jingle-message:0", _): element["id"] = sid
        case ("http://jabber.org/protocol/ibb", _), (SOCKS5Bytestream.namespace, "query"): element["sid"] = transportSID
        case (_, "transport"):
            element["sid"] = transportSID
            if captured["dstaddr"] != nil { element["dstaddr"] = ownDestination }
        case (_, "candidate"):
            element["host"] = captured["type"] == "proxy" ? proxy?["host"] : host
            element["port"] = captured["type"] == "proxy" ? proxy?["port"] : listener.map { "\($0.port)" }
            if captured["type"] == "proxy" { element["jid"] = proxy?["jid"] }
            return element
        case (_, "candidate-used"): element["cid"] = reached?.candidate["cid"]
        case (_, "activated"): element["cid"] = chosenByPeer?["cid"]
        case ("urn:xmpp:jingle:apps:file-transfer:5", "file"):
            element.children = captured.elements.map { .element(fill(file: $0)) }
            return element
        case (SOCKS5Bytestream.namespace, "activate"): element.children = [.text(peer.description)]
        default: break
        }
        element.children = element.children.map { node in
            if case .element(let child) = node { .element(fill(child)) } else { node }
        }
        return element
    }

    /// A part of the captured file's description, made to fit the file of this run.
    private func fill(file captured: XMLElement) -> XMLElement {
        if role == .responder { return offered?.first(captured.name, namespace: captured.namespace) ?? captured }
        var element = captured
        switch captured.name {
        case "name": element.children = [.text(String(file.split(separator: "/").last ?? ""))]
        case "size": element.children = [.text("\(bytes.count)")]
        case "hash":
            guard let algorithm = captured["algo"].flatMap(DigestAlgorithm.init) else { return element }
            var digest = algorithm.hash(bytes)
            // Libervia encodes the hexadecimal digits.
            if captured.text.utf8.count > (algorithm.byteCount + 2) / 3 * 4 {
                let digits = Array("0123456789abcdef".utf8)
                digest = digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
            }
            element.children = [.text(Base64.encode(digest))]
        default: break
        }
        return element
    }

    /// The address of this run for one of the capture.
    private func address(_ captured: String) -> String? {
        switch captured {
        case own.description: client.address.description
        case own.bare.description: client.address.bare.description
        case other.description: peer.description
        case other.bare.description: peer.bare.description
        default: nil
        }
    }
}
