import Jingle
import Testing
import XML
import XMPP

/// Two tables of sessions and the wire between them: every stanza is written, kept until it is delivered, and read.
struct Ends {
    enum Side { case alice, bob }

    struct End {
        var sessions: JingleSessions
        var outbox: [IQ] = []
        var events: [JingleEvent] = []
        var open: [String: (JingleSessionID, JingleSession.RequestKey)] = [:]
    }

    var alice: End
    var bob: End
    let sid = "s1"
    /// Every request and answer delivered, as `alice: session-initiate` or `bob: result`.
    var transcript: [String] = []
    /// Every request that was refused, and with what.
    var refusals: [(JingleStanza, String)] = []
    private var requests: [String: JingleStanza] = [:]
    private var idCount = 0

    init() throws {
        alice = End(sessions: JingleSessions(localAddress: try #require(Sample.alice)))
        bob = End(sessions: JingleSessions(localAddress: try #require(Sample.bob)))
    }

    subscript(side: Side) -> End {
        get { side == .alice ? alice : bob }
        set { if side == .alice { alice = newValue } else { bob = newValue } }
    }

    func id(_ side: Side) -> JingleSessionID {
        JingleSessionID(peer: (side == .alice ? bob : alice).sessions.localAddress, sid: sid)
    }

    func session(_ side: Side) -> JingleSession? { self[side].sessions[id(side)] }

    /// Offers contents from Alice to Bob and delivers all that follows.
    mutating func initiate(_ contents: [Content]) throws {
        let (id, actions) = try alice.sessions.initiate(contents, sid: sid, to: bob.sessions.localAddress)
        perform(actions, in: id, at: .alice)
        try settle()
    }

    /// Offers one content, and accepts it.
    mutating func start(_ contents: [Content] = [Sample.content()]) throws {
        try initiate(contents)
        try command(.bob) { session throws(JingleCommandError) in try session.accept(contents.map(Sample.answer)) }
        try settle()
        alice.events = []
        bob.events = []
        transcript = []
    }

    /// Gives a command, and keeps what it sends.
    mutating func command(
        _ side: Side, _ body: (inout JingleSession) throws(JingleCommandError) -> [JingleSession.Action]
    ) throws {
        let id = id(side)
        let actions = try self[side].sessions.command(id, body)
        perform(actions, in: id, at: side)
    }

    mutating func perform(_ actions: [JingleSession.Action], in id: JingleSessionID, at side: Side) {
        for action in actions {
            switch action {
            case .event(let event): self[side].events.append(event)
            case .request(let key, let stanza):
                idCount += 1
                self[side].open["\(idCount)"] = (id, key)
                self[side].outbox.append(IQ(to: id.peer, id: "\(idCount)", content: .set(stanza.element)))
            }
        }
    }

    /// Delivers everything, in turns.
    mutating func settle() throws {
        while !(alice.outbox.isEmpty && bob.outbox.isEmpty) {
            try deliver(from: .alice)
            try deliver(from: .bob)
        }
    }

    /// Delivers the first stanza of a side, if there is one.
    mutating func deliver(from sender: Side) throws {
        guard !self[sender].outbox.isEmpty else { return }
        var sent = self[sender].outbox.removeFirst()
        sent.from = self[sender].sessions.localAddress
        let iq = try IQ(sent.element.overTheWire())
        let side: Side = sender == .alice ? .bob : .alice
        switch iq.content {
        case .set(let element):
            requests[iq.id] = try JingleStanza(element)
            transcript.append("\(sender): \(element["action"] ?? "?")")
            let reaction = self[side].sessions.receive(iq)
            self[side].outbox.append(reaction.answer)
            if let id = reaction.session { perform(reaction.actions, in: id, at: side) }
        case .result:
            transcript.append("\(sender): result")
            let open = self[side].open.removeValue(forKey: iq.id)
            let (id, key) = try #require(open)
            perform(self[side].sessions.receiveResult(for: key, in: id), in: id, at: side)
        case .error(let error):
            let word = JingleErrorCondition(error)?.rawValue ?? error.condition.rawValue
            transcript.append("\(sender): \(word)")
            let open = self[side].open.removeValue(forKey: iq.id)
            let (id, key) = try #require(open)
            if let request = requests[iq.id] { refusals.append((request, word)) }
            perform(self[side].sessions.receiveFailure(.refused(error), for: key, in: id), in: id, at: side)
        case .get:
            Issue.record("a machine sent a get")
        }
    }
}
