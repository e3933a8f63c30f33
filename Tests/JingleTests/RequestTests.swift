import Jingle
import Testing
import XML
import XMPP

/// What a peer's request is answered with, whatever state it finds.
@Suite struct RequestTests {
    enum State: String, Sendable, CaseIterable { case offering, offered, accepting, accepted, over }

    struct Case: Sendable, CustomTestStringConvertible {
        var state: State
        var action: String
        var inside = ""
        var answer: String
        var testDescription: String { "\(state) \(action) \(inside)" }
    }

    static let content = "<content creator='initiator' name='f'/>"
    static let unknown = "<content creator='initiator' name='nobody'/>"
    static let quic = "<transport xmlns='urn:sleigh:jingle:transports:ice-quic:0'/>"
    static let description = "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>"

    static func content(_ inside: String, creator: String = "initiator", name: String = "f") -> String {
        "<content creator='\(creator)' name='\(name)'>\(inside)</content>"
    }

    static let cases: [Case] = [
        // Out of order: the wrong role or the wrong state.
        Case(state: .accepted, action: "session-initiate", inside: content(description + quic), answer: "out-of-order"),
        Case(state: .offered, action: "session-initiate", inside: content(description + quic), answer: "out-of-order"),
        Case(state: .offered, action: "session-accept", inside: content(quic), answer: "out-of-order"),
        Case(state: .accepted, action: "session-accept", inside: content(quic), answer: "out-of-order"),
        Case(state: .accepting, action: "session-accept", inside: content(quic), answer: "out-of-order"),
        Case(state: .accepting, action: "content-accept", inside: content(quic), answer: "out-of-order"),
        Case(state: .offered, action: "content-accept", inside: content(quic), answer: "out-of-order"),
        Case(state: .accepting, action: "content-reject", inside: content, answer: "out-of-order"),
        Case(state: .offered, action: "content-reject", inside: content, answer: "out-of-order"),
        Case(state: .accepted, action: "transport-accept", inside: content(quic), answer: "out-of-order"),
        Case(state: .accepted, action: "transport-reject", inside: content(quic), answer: "out-of-order"),
        Case(
            state: .accepted, action: "transport-info", inside: content("<transport xmlns='other'/>"),
            answer: "out-of-order"),
        // No such content, or an incomplete one.
        Case(state: .accepted, action: "transport-info", inside: unknown, answer: "bad-request"),
        Case(state: .accepted, action: "transport-info", inside: content, answer: "bad-request"),
        Case(state: .accepted, action: "transport-info", answer: "bad-request"),
        Case(state: .accepted, action: "transport-replace", inside: unknown, answer: "bad-request"),
        Case(state: .accepted, action: "transport-replace", inside: content, answer: "bad-request"),
        Case(state: .accepted, action: "content-remove", inside: unknown, answer: "bad-request"),
        Case(state: .accepted, action: "content-remove", answer: "bad-request"),
        Case(state: .accepted, action: "content-modify", inside: content, answer: "bad-request"),
        Case(state: .accepted, action: "content-modify", inside: unknown, answer: "bad-request"),
        Case(state: .accepted, action: "description-info", inside: content, answer: "bad-request"),
        Case(state: .accepted, action: "content-add", answer: "bad-request"),
        Case(state: .accepted, action: "content-add", inside: content(description + quic), answer: "bad-request"),
        Case(
            state: .accepting, action: "content-add",
            inside: content(description + quic, creator: "initiator", name: "g"), answer: "bad-request"),
        Case(
            state: .accepting, action: "content-add", inside: content(description, creator: "responder", name: "g"),
            answer: "bad-request"),
        Case(state: .offering, action: "session-accept", answer: "bad-request"),
        Case(state: .offering, action: "session-accept", inside: content, answer: "bad-request"),
        Case(state: .offering, action: "session-accept", inside: unknown, answer: "bad-request"),
        Case(
            state: .offering, action: "session-accept", inside: content("<transport xmlns='other'/>"),
            answer: "bad-request"),
        Case(
            state: .offering, action: "session-accept", inside: content("<description xmlns='other'/>" + quic),
            answer: "bad-request"),
        Case(state: .accepted, action: "session-fly", answer: "bad-request"),
        // One wrong content spoils the request, and the right one before it stays as it was.
        Case(state: .accepted, action: "content-remove", inside: content + unknown, answer: "bad-request"),
        Case(
            state: .accepted, action: "content-modify",
            inside: "<content name='f' senders='none'/>" + unknown, answer: "bad-request"),
        Case(
            state: .offering, action: "session-accept", inside: content(quic) + unknown, answer: "bad-request"),
        // Information that is not understood.
        Case(state: .accepted, action: "session-info", inside: "<ringing xmlns='x'/>", answer: "unsupported-info"),
        Case(state: .offered, action: "session-info", inside: "<ringing xmlns='x'/>", answer: "unsupported-info"),
        Case(
            state: .accepted, action: "description-info", inside: content("<description xmlns='x'/>"),
            answer: "unsupported-info"),
        Case(state: .accepted, action: "security-info", inside: content, answer: "unsupported-info"),
        Case(
            state: .accepted, action: "session-info",
            inside: "<received xmlns='urn:xmpp:jingle:apps:file-transfer:5' name='nobody'/>", answer: "bad-request"),
        Case(
            state: .accepted, action: "session-info",
            inside: "<checksum xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>", answer: "bad-request"),
        // What is fine.
        Case(state: .accepted, action: "session-info", answer: "result"),
        Case(state: .offered, action: "session-info", answer: "result"),
        Case(
            state: .accepted, action: "session-info",
            inside: "<received xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>", answer: "result"),
        Case(
            state: .accepted, action: "session-info",
            inside: "<checksum xmlns='urn:xmpp:jingle:apps:file-transfer:5' name='f'><file/></checksum>",
            answer: "result"),
        Case(state: .offering, action: "session-accept", inside: content(quic), answer: "result"),
        Case(state: .offering, action: "content-reject", inside: content, answer: "result"),
        Case(state: .offering, action: "transport-info", inside: content(quic), answer: "result"),
        Case(
            state: .accepting, action: "content-add",
            inside: content(description + quic, creator: "responder", name: "g"), answer: "result"),
        Case(
            state: .accepting, action: "transport-replace", inside: content("<transport xmlns='other'/>"),
            answer: "result"),
        Case(state: .offering, action: "session-terminate", answer: "result"),
        Case(state: .offered, action: "session-terminate", answer: "result"),
        // Nothing is left to talk about.
        Case(state: .over, action: "session-info", answer: "unknown-session"),
        Case(state: .over, action: "session-terminate", answer: "unknown-session"),
        Case(state: .over, action: "session-accept", inside: content(quic), answer: "unknown-session"),
    ]

    @Test(arguments: cases)
    func answer(to request: Case) throws {
        var (sessions, peer) = try sessions(in: request.state)
        let before = sessions.ids.compactMap { sessions[$0]?.contents }
        let element = try jingle(request.action, request.inside)
        let reaction = sessions.receive(IQ(from: peer, to: nil, id: "q", content: .set(element)))
        #expect(reaction.answer.id == "q" && reaction.answer.to == peer)
        #expect(word(reaction.answer) == request.answer)
        if request.answer != "result" {
            #expect(reaction.actions.isEmpty)
            #expect(sessions.ids.compactMap { sessions[$0]?.contents } == before)
        }
    }

    /// Alice's sessions (as initiator) or Bob's (as responder), and the peer.
    private func sessions(in state: State) throws -> (JingleSessions, JID) {
        var ends = try Ends()
        switch state {
        case .offering, .offered: try ends.initiate([Sample.content()])
        case .accepting, .accepted: try ends.start()
        case .over: break
        }
        let alice = try #require(Sample.alice)
        let bob = try #require(Sample.bob)
        switch state {
        case .offering, .accepting: return (ends.alice.sessions, bob)
        case .offered, .accepted, .over: return (ends.bob.sessions, alice)
        }
    }

    @Test func nobodyElseLearnsOfASession() throws {
        let (sessions, _) = try sessions(in: .accepted)
        for address in ["mallory@example.org/laptop", "alice@example.org/phone", "alice@example.org", "example.org"] {
            for action in ["session-terminate", "session-info", "transport-info"] {
                var copy = sessions
                let request = IQ(
                    from: JID(address), to: nil, id: "1", content: .set(try jingle(action, Self.content(Self.quic))))
                let reaction = copy.receive(request)
                #expect(word(reaction.answer) == "unknown-session")
                #expect(copy.ids == sessions.ids && reaction.session == nil)
            }
        }
    }

    @Test func onlyASetFromSomebodyIsARequest() throws {
        var (sessions, peer) = try sessions(in: .accepted)
        let ping = try jingle("session-info")
        #expect(word(sessions.receive(IQ(from: peer, to: nil, id: "1", content: .get(ping))).answer) == "bad-request")
        #expect(word(sessions.receive(IQ(from: nil, to: nil, id: "1", content: .set(ping))).answer) == "bad-request")
    }

    @Test func offersThatCannotBeTaken() throws {
        let whole = Self.description + Self.quic
        let offers = [
            ("", "bad-request"), (Self.content, "bad-request"), (Self.content(Self.quic), "bad-request"),
            (Self.content(Self.description), "bad-request"),
            (Self.content(whole, creator: "responder"), "bad-request"),
            (Self.content(whole) + Self.content(whole), "bad-request"),
            ("<content creator='initiator' name='f' disposition='early-session'>\(whole)</content>", "bad-request"),
            ((0...64).map { Self.content(whole, name: "c\($0)") }.joined(), "resource-constraint"),
            ((0..<64).map { Self.content(whole, name: "c\($0)") }.joined(), "result"),
            ("<content name='f'>\(whole)</content>", "result"),
        ]
        for (inside, answer) in offers {
            var sessions = JingleSessions(localAddress: try #require(Sample.bob))
            let reaction = sessions.receive(
                IQ(from: Sample.alice, to: nil, id: "1", content: .set(try jingle("session-initiate", inside))))
            #expect(word(reaction.answer) == answer, "\(inside.prefix(200))")
            #expect(sessions.ids.isEmpty == (answer != "result"))
        }
    }

    @Test func onePeerCannotTakeAllTheRoom() throws {
        var sessions = JingleSessions(localAddress: try #require(Sample.bob), maximumCount: 4, maximumCountPerPeer: 2)
        func offer(_ sid: String, from address: String) throws -> String {
            let element = try jingle("session-initiate", sid: sid, Self.content(Self.description + Self.quic))
            return word(sessions.receive(IQ(from: JID(address), to: nil, id: "1", content: .set(element))).answer)
        }
        #expect(try offer("1", from: "m@x.example/a") == "result")
        #expect(try offer("2", from: "m@x.example/b") == "result")
        #expect(try offer("3", from: "m@x.example/c") == "resource-constraint")
        #expect(try offer("4", from: "n@x.example/a") == "result")
        #expect(try offer("5", from: "o@x.example/a") == "result")
        #expect(try offer("6", from: "p@x.example/a") == "resource-constraint")
    }

    @Test func aReferenceThatFitsTwoFilesIsRefused() throws {
        var ends = try Ends()
        try ends.start([Sample.content("f"), Sample.content("g")])
        func received(_ attributes: String) throws -> JingleSessions.Reaction {
            let element = try jingle(
                "session-info", "<received xmlns='urn:xmpp:jingle:apps:file-transfer:5' \(attributes)/>")
            return ends.alice.sessions.receive(IQ(from: Sample.bob, to: nil, id: "1", content: .set(element)))
        }
        #expect(word(try received("").answer) == "bad-request")
        #expect(word(try received("creator='initiator'").answer) == "bad-request")
        #expect(try received("name='g'").actions == [.event(.received(ContentID(creator: .initiator, name: "g")))])
    }

    @Test func aPeerCannotMakeUsOweMoreAndMoreRequests() throws {
        var (sessions, peer) = try sessions(in: .accepting)
        let inside = Self.content(
            Self.description + Self.quic + "<security xmlns='urn:xmpp:jingle:jet:0'/>", creator: "responder", name: "g")
        let request = IQ(from: peer, to: nil, id: "1", content: .set(try jingle("content-add", inside)))
        let answers = (0..<300).map { _ in word(sessions.receive(request).answer) }
        #expect(answers.prefix(256).allSatisfy { $0 == "result" })
        #expect(answers.dropFirst(256).allSatisfy { $0 == "resource-constraint" })
    }

    @Test func anAcceptanceWithSecurityEndsTheSession() throws {
        var (sessions, peer) = try sessions(in: .offering)
        let inside = Self.content(Self.quic + "<security xmlns='urn:xmpp:jingle:jet:0'/>")
        let reaction = sessions.receive(
            IQ(from: peer, to: nil, id: "1", content: .set(try jingle("session-accept", inside))))
        #expect(word(reaction.answer) == "result")
        #expect(reaction.actions.last == .event(.ended(.local(Reason(.securityError)))))
    }
}

/// `result`, or the Jingle condition of an error, or else its general one.
func word(_ answer: IQ) -> String {
    switch answer.content {
    case .result: "result"
    case .error(let error): JingleErrorCondition(error)?.rawValue ?? error.condition.rawValue
    case .get, .set: "not an answer"
    }
}
