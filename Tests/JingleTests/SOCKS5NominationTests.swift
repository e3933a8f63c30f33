import Jingle
import TestSupport
import Testing
import XML
import XMPP

/// XEP-0260 § 2.3 and § 2.4 from one side, and from both.
@Suite struct SOCKS5NominationTests {
    typealias Candidate = SOCKS5Nomination.Candidate
    typealias Action = SOCKS5Nomination.Action

    private static func candidate(
        _ cid: String, _ priority: UInt32, _ kind: Candidate.Kind = .direct, host: String? = nil
    ) throws -> Candidate {
        Candidate(
            cid: cid, host: host ?? "\(cid).example", port: 1080, jid: try #require(Sample.alice), priority: priority,
            kind: kind)
    }

    /// What happens to one side.
    enum Step: Sendable {
        case reached(String)
        case missed(String)
        case stopWaiting
        case peer(SOCKS5TransportDescription.Info)
        case proxyActivated
        case proxyFailed
        case giveUp
    }

    /// We offer `d` (200) and the proxy `p` (20); the peer offers `D` (200), `E` (100) and the proxy `P` (10).
    private func begun(_ role: JingleRole) throws -> SOCKS5Nomination {
        var nomination = SOCKS5Nomination(
            role: role, own: [try Self.candidate("d", 200), try Self.candidate("p", 20, .proxy)])
        nomination.add([
            try Self.candidate("P", 10, .proxy), try Self.candidate("E", 100), try Self.candidate("D", 200),
        ])
        #expect(nomination.pending.map(\.cid) == ["D", "E", "P"])
        #expect(nomination.begin() == [])
        return nomination
    }

    private func play(_ steps: [Step], _ nomination: inout SOCKS5Nomination) throws -> [Action] {
        try steps.flatMap { step in
            switch step {
            case .reached(let cid): nomination.reached(cid: cid)
            case .missed(let cid): nomination.missed(cid: cid)
            case .stopWaiting: nomination.stopWaiting()
            case .peer(let info): try nomination.receive(info)
            case .proxyActivated: nomination.proxyActivated()
            case .proxyFailed: nomination.proxyFailed()
            case .giveUp: nomination.giveUp()
            }
        }
    }

    /// Actions in short.
    private func text(_ actions: [Action]) -> [String] {
        actions.map { action in
            switch action {
            case .send(.candidateUsed(let cid)): "used \(cid)"
            case .send(.candidateError): "error"
            case .send(.activated(let cid)): "activated \(cid)"
            case .send(.proxyError): "proxy-error"
            case .abandon(let cids): "abandon \(cids.joined(separator: " "))"
            case .activate(let candidate): "activate \(candidate.cid)"
            case .use(let nominee): "use \(nominee.candidate.cid) of \(nominee.isOwn ? "ours" : "theirs")"
            case .fail(let failure):
                switch failure {
                case .nothingReached: "fail: nothing"
                case .ownProxy: "fail: our proxy"
                case .peerProxy: "fail: their proxy"
                case .peerGaveUp: "fail: peer"
                case .noAnswer: "fail: no answer"
                }
            }
        }
    }

    private static let allMissed: [Step] = [.missed("D"), .missed("E"), .missed("P")]

    struct Transcript: Sendable, CustomTestStringConvertible {
        var role = JingleRole.initiator
        var steps: [Step]
        var actions: [String]
        var testDescription: String { "\(role): \(actions)" }
    }

    static let transcripts: [Transcript] = [
        // § 2.4, case 1
        Transcript(steps: allMissed + [.peer(.candidateError)], actions: ["error", "fail: nothing"]),
        // Case 2, both ways
        Transcript(
            steps: [.reached("D"), .peer(.candidateError)], actions: ["abandon E P", "used D", "use D of theirs"]),
        Transcript(steps: allMissed + [.peer(.candidateUsed(cid: "d"))], actions: ["error", "use d of ours"]),
        // Case 3, both ways
        Transcript(
            steps: [.missed("D"), .reached("E"), .peer(.candidateUsed(cid: "d"))],
            actions: ["abandon P", "used E", "use d of ours"]),
        Transcript(
            steps: [.reached("D"), .peer(.candidateUsed(cid: "p"))],
            actions: ["abandon E P", "used D", "use D of theirs"]),
        // Case 4: the choice of the session's initiator
        Transcript(
            steps: [.reached("D"), .peer(.candidateUsed(cid: "d"))],
            actions: ["abandon E P", "used D", "use D of theirs"]),
        Transcript(
            role: .responder, steps: [.reached("D"), .peer(.candidateUsed(cid: "d"))],
            actions: ["abandon E P", "used D", "use d of ours"]),
        // A better candidate that may still come is waited for, until there is none or time is up.
        Transcript(
            steps: [.reached("P"), .reached("E"), .missed("D"), .peer(.candidateError)],
            actions: ["abandon P", "used E", "use E of theirs"]),
        Transcript(
            steps: [.reached("P"), .stopWaiting, .reached("D"), .peer(.candidateError), .peer(.activated(cid: "P"))],
            actions: ["abandon D E", "used P", "use P of theirs"]),
        Transcript(steps: [.stopWaiting, .missed("D"), .stopWaiting], actions: []),
        // Nor is what the peer has reached kept waiting for ever for something better.
        Transcript(
            steps: [.peer(.candidateUsed(cid: "p")), .stopWaiting, .reached("D")],
            actions: ["abandon P", "abandon D E", "error", "activate p"]),
        Transcript(
            steps: [.stopWaiting, .peer(.candidateUsed(cid: "p"))],
            actions: ["abandon P", "abandon D E", "error", "activate p"]),
        Transcript(
            steps: [.stopWaiting, .reached("E"), .peer(.candidateUsed(cid: "p"))],
            actions: ["abandon D P", "used E", "use E of theirs"]),
        // § 2.3: what cannot win is not tried any more.
        Transcript(steps: [.peer(.candidateUsed(cid: "d"))], actions: ["abandon D E P", "error", "use d of ours"]),
        Transcript(
            steps: [.peer(.candidateUsed(cid: "p")), .reached("D")],
            actions: ["abandon P", "abandon E", "used D", "use D of theirs"]),
        Transcript(
            steps: [.reached("E"), .peer(.candidateUsed(cid: "d"))],
            actions: ["abandon D P", "used E", "use d of ours"]),
        // Our proxy: activated only when both have chosen
        Transcript(
            steps: [.peer(.candidateUsed(cid: "p")), .missed("D"), .missed("E"), .proxyActivated],
            actions: ["abandon P", "error", "activate p", "activated p", "use p of ours"]),
        Transcript(
            steps: [.peer(.candidateUsed(cid: "p")), .missed("D"), .missed("E"), .proxyFailed],
            actions: ["abandon P", "error", "activate p", "proxy-error", "fail: our proxy"]),
        Transcript(
            steps: [.peer(.candidateUsed(cid: "p")), .missed("D"), .missed("E"), .peer(.proxyError), .proxyActivated],
            actions: ["abandon P", "error", "activate p", "fail: our proxy"]),
        Transcript(
            steps: [.peer(.candidateUsed(cid: "p")), .missed("D"), .missed("E"), .giveUp],
            actions: ["abandon P", "error", "activate p", "proxy-error", "fail: our proxy"]),
        // The peer has stopped to wait for the activation while it was under way.
        Transcript(
            steps: [
                .peer(.candidateUsed(cid: "p")), .missed("D"), .missed("E"), .proxyActivated, .peer(.proxyError),
            ],
            actions: ["abandon P", "error", "activate p", "activated p", "use p of ours", "fail: our proxy"]),
        // The peer's proxy
        Transcript(
            steps: [.missed("D"), .missed("E"), .reached("P"), .peer(.candidateError), .peer(.proxyError)],
            actions: ["used P", "fail: their proxy"]),
        Transcript(
            steps: [.missed("D"), .missed("E"), .reached("P"), .peer(.candidateError), .giveUp],
            actions: ["used P", "proxy-error", "fail: their proxy"]),
        // Activated before it can mean anything (Conversations): held until both have chosen.
        Transcript(
            steps: [
                .missed("D"), .missed("E"), .reached("P"), .peer(.activated(cid: "P")), .peer(.candidateError),
                .peer(.activated(cid: "P")),
            ], actions: ["used P", "use P of theirs"]),
        Transcript(
            steps: [.peer(.activated(cid: "P")), .reached("D"), .peer(.candidateError)],
            actions: ["abandon E P", "used D", "use D of theirs"]),
        // Said twice
        Transcript(
            steps: [.peer(.candidateUsed(cid: "d")), .peer(.candidateUsed(cid: "d"))],
            actions: ["abandon D E P", "error", "use d of ours"]),
        Transcript(
            steps: [.reached("D"), .reached("D"), .missed("D"), .peer(.candidateError), .peer(.candidateError)],
            actions: ["abandon E P", "used D", "use D of theirs"]),
        // The end, whatever comes then
        Transcript(steps: allMissed + [.giveUp, .peer(.candidateError)], actions: ["error", "fail: no answer"]),
        Transcript(steps: [.peer(.proxyError), .reached("D"), .giveUp], actions: ["fail: peer"]),
        Transcript(
            steps: allMissed + [.peer(.candidateError), .peer(.proxyError), .peer(.activated(cid: "P")), .giveUp],
            actions: ["error", "fail: nothing"]),
    ]

    @Test(arguments: transcripts)
    func transcript(transcript: Transcript) throws {
        var nomination = try begun(transcript.role)
        #expect(text(try play(transcript.steps, &nomination)) == transcript.actions)
    }

    @Test(
        arguments: [
            ([.peer(.candidateUsed(cid: "x"))], .unknownCandidate),
            // A candidate of the peer's own
            ([.peer(.candidateUsed(cid: "D"))], .unknownCandidate),
            ([.peer(.candidateUsed(cid: "d")), .peer(.candidateUsed(cid: "p"))], .contradiction),
            ([.peer(.candidateUsed(cid: "d")), .peer(.candidateError)], .contradiction),
            ([.peer(.candidateError), .peer(.candidateUsed(cid: "d"))], .contradiction),
            ([.peer(.activated(cid: "P")), .peer(.activated(cid: "x"))], .contradiction),
            (
                [.missed("D"), .missed("E"), .reached("P"), .peer(.candidateError), .peer(.activated(cid: "x"))],
                .unknownCandidate
            ),
        ] as [([Step], SOCKS5Nomination.Fault)])
    func fault(steps: [Step], fault: SOCKS5Nomination.Fault) throws {
        var nomination = try begun(.initiator)
        _ = try play(steps.dropLast(), &nomination)
        #expect(throws: fault) { try play(steps.suffix(1), &nomination) }
    }

    // MARK: The peer's candidates

    @Test func nothingOfferedIsNothingReached() throws {
        var nomination = SOCKS5Nomination(role: .initiator, own: [])
        #expect(nomination.begin() == [.send(.candidateError)])
    }

    @Test func nothingIsToldBeforeItBegins() throws {
        var nomination = SOCKS5Nomination(role: .initiator, own: [try Self.candidate("d", 200)])
        // Libervia tells what it has reached before it has accepted the session.
        #expect(try nomination.receive(.candidateUsed(cid: "d")) == [])
        #expect(nomination.add([try Self.candidate("D", 200), try Self.candidate("C", 201)]).map(\.cid) == ["C"])
        #expect(text(nomination.begin()) == [])
        #expect(text(nomination.missed(cid: "C")) == ["error", "use d of ours"])
    }

    @Test func oneCandidateIsTriedOnce() throws {
        var nomination = SOCKS5Nomination(role: .initiator, own: [])
        let first = try Self.candidate("a", 5, host: "192.0.2.1")
        nomination.add([
            first, first, try Self.candidate("a", 9, host: "192.0.2.2"), try Self.candidate("b", 5, host: "192.0.2.1"),
        ])
        nomination.add([try Self.candidate("a", 1)])
        #expect(nomination.pending == [first])
        // The same place as a proxy's has another destination.
        nomination.add([try Self.candidate("c", 5, .proxy, host: "192.0.2.1")])
        #expect(nomination.pending.map(\.cid) == ["a", "c"])
    }

    @Test func onlySoManyAreTried() throws {
        var nomination = SOCKS5Nomination(role: .initiator, own: [])
        nomination.add(try (0..<40).map { try Self.candidate("c\($0)", 40 - $0) })
        #expect(nomination.pending.map(\.cid) == (0..<SOCKS5Nomination.candidateLimit).map { "c\($0)" })
    }

    @Test func candidatesThatComeTooLateAreNotTried() throws {
        var nomination = try begun(.initiator)
        _ = nomination.reached(cid: "D")
        #expect(nomination.add([try Self.candidate("F", 300)]) == [])
        #expect(nomination.pending == [])
    }

    // MARK: Both ends

    /// The part of each side in the captured sessions: the machine tells what the client told, which crosses on the way,
    /// and both agree on what the clients used.
    @Test(arguments: [
        ("gajim-to-dino-s5b-direct.xml", "05443fab-3068-4822-a4a6-2a32ad16b80d"),
        ("gajim-to-gajim-s5b-direct.xml", "972c152e-f9a9-42ae-b3bd-88cbd25f5650"),
        ("libervia-to-dino-s5b-direct.xml", "5ab9dc5f-1b2c-45ad-a57f-c01f940d4d04"),
        ("libervia-to-libervia-s5b-direct.xml", "a2f4dc0f-089a-4532-b59a-50eb9f5ced16"),
        ("dino-to-gajim-proxy65.xml", "8d3745a3-8c6f-47f0-82db-0f2addbc159f"),
        ("gajim-to-dino-proxy65.xml", "54e5c8b1-5f30-4215-a0bd-0d74917b793f"),
        ("gajim-to-gajim-proxy65.xml", "b7f1dab6-53f3-4200-aaff-3d5f871cb22f"),
    ])
    func bothSidesOfCaptures(name: String, nominee: String) throws {
        let iqs = try Fixture.stanzas(name).filter { iq in
            iq["type"] == "set" && iq.elements.contains { $0.matches("jingle", namespace: Jingle.namespace) }
        }
        let stanzas = try iqs.map { try JingleStanza(try #require($0.elements.first)) }
        let offers = stanzas.compactMap { offer(of: $0) }
        try #require(offers.count == 2)
        var sides: [JingleRole: SOCKS5Nomination] = [
            .initiator: SOCKS5Nomination(role: .initiator, own: offers[0].candidates),
            .responder: SOCKS5Nomination(role: .responder, own: offers[1].candidates),
        ]
        var results: [JingleRole: [Action]] = [:]
        var crossing: [JingleRole: SOCKS5TransportDescription.Info] = [:]
        let initiator = iqs.first?["to"]
        for (iq, stanza) in zip(iqs, stanzas) {
            let sender: JingleRole = iq["to"] == initiator ? .initiator : .responder
            if let offer = offer(of: stanza) {
                sides[sender.opposite]?.add(offer.candidates)
                #expect(sides[sender.opposite]?.begin() == [])
            }
            guard let info = info(of: stanza) else { continue }
            results[sender, default: []] += try tell(info, by: &sides[sender])
            guard crossing.count < 2 else {
                results[sender.opposite, default: []] += try sides[sender.opposite]?.receive(info) ?? []
                continue
            }
            crossing[sender.opposite] = info
            guard crossing.count == 2 else { continue }
            for (role, info) in crossing { results[role, default: []] += try sides[role]?.receive(info) ?? [] }
        }
        for role in JingleRole.allCases {
            let used = (results[role] ?? []).compactMap { if case .use(let nominee) = $0 { nominee } else { nil } }
            #expect(used.map(\.candidate.cid) == [nominee])
        }
    }

    private func offer(of stanza: JingleStanza) -> SOCKS5TransportDescription? {
        guard [.sessionInitiate, .sessionAccept].contains(stanza.action),
            case .socks5(let transport)? = stanza.contents.first?.transport
        else { return nil }
        return transport
    }

    private func info(of stanza: JingleStanza) -> SOCKS5TransportDescription.Info? {
        guard case .socks5(let transport)? = stanza.contents.first?.transport else { return nil }
        return transport.info
    }

    /// Lets a machine meet what made the client say so.
    private func tell(
        _ info: SOCKS5TransportDescription.Info, by nomination: inout SOCKS5Nomination?
    ) throws -> [Action] {
        var side = try #require(nomination)
        defer { nomination = side }
        var actions: [Action] = []
        switch info {
        case .candidateUsed(let cid): actions = side.reached(cid: cid) + side.stopWaiting()
        case .candidateError: for candidate in side.pending { actions += side.missed(cid: candidate.cid) }
        case .activated: actions = side.proxyActivated()
        case .proxyError: actions = side.proxyFailed()
        }
        #expect(actions.contains(.send(info)))
        return actions
    }

    /// Two honest ends with candidates at random, of which some are out of reach, and stanzas on the way: both use the
    /// same candidate, or both fail.
    @Test(arguments: 1..<400 as Range<UInt64>)
    func bothEndsAgree(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var link = try Link(&random)
        for _ in 0..<200 { link.step(&random) }
        link.settle(&random)
        let (one, other) = (link.ends[0].outcome, link.ends[1].outcome)
        switch (one, other) {
        case (.use(let one)?, .use(let other)?):
            #expect(one.candidate == other.candidate)
            #expect(one.isOwn != other.isOwn)
        case (.fail?, .fail?): break
        default: Issue.record("\(String(describing: one)) and \(String(describing: other))")
        }
        #expect(link.faultCount == 0)
    }

    /// Two machines and the stanzas between them.
    private struct Link {
        struct End {
            var nomination: SOCKS5Nomination
            var inbox: [SOCKS5TransportDescription.Info] = []
            var outcome: Action?
            var isActivating = false
            var hasBegun = false
        }

        var ends: [End]
        var faultCount = 0
        private let candidates: [[Candidate]]

        init(_ random: inout SeededRandom) throws {
            var candidates: [[Candidate]] = []
            for side in 0..<2 {
                let count = Int.random(in: 0...3, using: &random)
                candidates.append(
                    try (0..<count).map { index in
                        try SOCKS5NominationTests.candidate(
                            // The names of both sides may be the same.
                            "c\(index)", UInt32.random(in: 1...4, using: &random),
                            Bool.random(using: &random) ? .direct : .proxy, host: "\(side)-\(index)")
                    })
            }
            self.candidates = candidates
            ends = [JingleRole.initiator, .responder].enumerated().map { side, role in
                End(nomination: SOCKS5Nomination(role: role, own: candidates[side]))
            }
        }

        mutating func step(_ random: inout SeededRandom) {
            let side = Int.random(in: 0..<2, using: &random)
            let end = ends[side]
            switch Int.random(in: 0..<12, using: &random) {
            case 0 where !end.hasBegun:
                ends[side].hasBegun = true
                ends[side].nomination.add(candidates[1 - side])
                perform(ends[side].nomination.begin(), side)
            case 1, 2:
                guard let cid = end.nomination.pending.randomElement(using: &random)?.cid else { return }
                let isReached = Bool.random(using: &random)
                perform(
                    isReached
                        ? ends[side].nomination.reached(cid: cid) : ends[side].nomination.missed(cid: cid), side)
            case 3: perform(ends[side].nomination.stopWaiting(), side)
            case 4 where end.isActivating:
                let isActivated = UInt.random(in: 0..<4, using: &random) > 0
                perform(
                    isActivated ? ends[side].nomination.proxyActivated() : ends[side].nomination.proxyFailed(), side)
            // The time for an activation may be over at any moment.
            case 5 where UInt.random(in: 0..<8, using: &random) == 0 && end.isActivating:
                perform(ends[side].nomination.giveUp(), side)
            case 6...: deliver(to: side)
            default: break
            }
        }

        mutating func settle(_ random: inout SeededRandom) {
            for side in 0..<2 where !ends[side].hasBegun {
                ends[side].hasBegun = true
                ends[side].nomination.add(candidates[1 - side])
                perform(ends[side].nomination.begin(), side)
            }
            for _ in 0..<1000 { step(&random) }
            for side in 0..<2 {
                for candidate in ends[side].nomination.pending {
                    perform(ends[side].nomination.missed(cid: candidate.cid), side)
                }
            }
            for _ in 0..<1000 { step(&random) }
        }

        private mutating func deliver(to side: Int) {
            guard !ends[side].inbox.isEmpty else { return }
            let info = ends[side].inbox.removeFirst()
            do { perform(try ends[side].nomination.receive(info), side) } catch { faultCount += 1 }
        }

        private mutating func perform(_ actions: [Action], _ side: Int) {
            for action in actions {
                switch action {
                case .send(let info): ends[1 - side].inbox.append(info)
                case .activate: ends[side].isActivating = true
                case .use, .fail: ends[side].outcome = action
                case .abandon: break
                }
            }
        }
    }
}
