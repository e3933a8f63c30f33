import Jingle
import TestSupport
import Testing
import XML
import XMPP

/// Whatever a peer sends: nothing traps, and each request gets one answer.
@Suite struct FuzzTests {
    /// Mutates real elements in ways that leave them XML.
    struct Mutator {
        var random: SeededRandom
        static let words = [
            "", "0", "-1", "18446744073709551616", "initiator", "responder", "both", "session-accept", "x", "::1",
            "1.2.3.4", "sha-256", "\u{0}", "é\u{301}", String(repeating: "a", count: 5000), "urn:xmpp:jingle:1",
        ]

        mutating func mutate(_ element: XMLElement, pool: [XMLElement]) -> XMLElement {
            var element = element
            switch UInt.random(in: 0..<9, using: &random) {
            case 0: if let name = element.attributes.keys.sorted().randomElement(using: &random) { element[name] = nil }
            case 1:
                if let name = element.attributes.keys.sorted().randomElement(using: &random) { element[name] = word() }
            case 2: element.name = word()
            case 3: if !element.children.isEmpty { element.children.remove(at: index(in: element)) }
            case 4: if !element.children.isEmpty { element.children.append(element.children[index(in: element)]) }
            case 5: if let other = pool.randomElement(using: &random) { element.append(other) }
            case 6: element.children = [.text(word())]
            case 7: element.namespace = word()
            default: break
            }
            if !element.children.isEmpty, Bool.random(using: &random) || Bool.random(using: &random) {
                let index = index(in: element)
                if case .element(let child) = element.children[index] {
                    element.children[index] = .element(mutate(child, pool: pool))
                }
            }
            return element
        }

        private mutating func word() -> String { Self.words.randomElement(using: &random) ?? "" }

        private mutating func index(in element: XMLElement) -> Int {
            Int.random(in: 0..<element.children.count, using: &random)
        }
    }

    private func corpus() throws -> [XMLElement] {
        var corpus = try Fixture.names.flatMap { try Fixture.payloads($0, namespace: Jingle.namespace) }
        corpus += [JingleStanza(.sessionInitiate, sid: "s1", contents: [Sample.content()]).element]
        corpus += JingleAction.allCases.map { JingleStanza($0, sid: "s1", contents: [Sample.content()]).element }
        corpus += [JingleStanza(.contentAdd, sid: "s1", contents: [Sample.content("h", by: .responder)]).element]
        var limited = Sample.content()
        limited.limit = RateLimit(bytesPerSecond: 20_000_000)
        corpus += [JingleStanza(.sessionAccept, sid: "s1", contents: [limited]).element]
        var file = Sample.file()
        file.hashes = Hash(.sha256, value: [UInt8](repeating: 1, count: 32)).map { [$0] } ?? []
        corpus += [
            JingleStanza(.sessionInfo, sid: "s1", payload: [SessionInfo.checksum(.init(), file).element]).element
        ]
        corpus += [SessionInfo.delivered(.init(), byteCount: 7), .stopped(.init())].map {
            JingleStanza(.sessionInfo, sid: "s1", payload: [$0.element]).element
        }
        return corpus
    }

    /// The request about contents of that name.
    private func renamed(_ element: XMLElement, _ name: String) -> XMLElement {
        var element = element
        element.children = element.children.map { node in
            guard case .element(var child) = node, child.name == "content" || child.name == "checksum" else {
                return node
            }
            child["name"] = name
            return .element(child)
        }
        return element
    }

    private func descendants(_ element: XMLElement) -> [XMLElement] {
        [element] + element.elements.flatMap { descendants($0) }
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func mutatedStanzasAreReadOrRefused(seed: UInt64) throws {
        var mutator = Mutator(random: SeededRandom(seed: seed))
        let corpus = try corpus()
        let pool = corpus.flatMap { descendants($0) }
        var readCount = 0
        for round in 0..<2000 {
            var element = corpus[round % corpus.count]
            for _ in 0...(round % 3) { element = mutator.mutate(element, pool: pool) }
            guard let stanza = try? JingleStanza(element) else { continue }
            readCount += 1
            // What could be read is written so that it reads the same.
            #expect(try JingleStanza(stanza.element) == stanza)
            for payload in stanza.payload { _ = try? SessionInfo(payload) }
        }
        #expect(readCount > 300)
    }

    @Test(arguments: [5, 6] as [UInt64])
    func mutatedMessagesAreReadOrRefused(seed: UInt64) throws {
        var mutator = Mutator(random: SeededRandom(seed: seed))
        var corpus = try Fixture.names.flatMap { try Fixture.payloads($0, namespace: JingleMessage.namespace) }
        corpus += JingleMessageTests.messages.map { JingleMessage(id: "m", $0).element }
        let pool = corpus.flatMap { descendants($0) }
        var readCount = 0
        for round in 0..<2000 {
            let element = mutator.mutate(corpus[round % corpus.count], pool: pool)
            guard let message = try? JingleMessage(element) else { continue }
            readCount += 1
            #expect(try JingleMessage(message.element) == message)
        }
        #expect(readCount > 300)
    }

    /// Mutated requests against both roles, with the machine's own commands in between.
    @Test(arguments: [10, 11, 12, 13, 14, 15] as [UInt64])
    func everyRequestGetsOneAnswer(seed: UInt64) throws {
        var mutator = Mutator(random: SeededRandom(seed: seed))
        var random = SeededRandom(seed: seed &* 77)
        let corpus = try corpus()
        let pool = corpus.flatMap { descendants($0) }
        var resultCount = 0
        for _ in 0..<25 {
            var ends = try Ends()
            if Bool.random(using: &random) { try ends.start() } else { try ends.initiate([Sample.content()]) }
            let side: Ends.Side = Bool.random(using: &random) ? .alice : .bob
            let id = ends.id(side)
            for round in 0..<40 {
                if round % 4 == 3 { playCommand(&ends, side, &random) }
                guard ends.session(side) != nil else { break }
                var element = corpus.randomElement(using: &random) ?? XMLElement("x", namespace: "")
                element = renamed(element, ["f", "n1", "n2"].randomElement(using: &random) ?? "")
                if round % 3 == 0 { element = mutator.mutate(element, pool: pool) }
                element["sid"] = id.sid
                if element["action"] == "session-terminate", round % 7 != 0 { continue }
                let request = IQ(from: id.peer, to: nil, id: "r\(round)", content: .set(element))
                let reaction = ends[side].sessions.receive(request)
                #expect(reaction.answer.id == request.id && reaction.answer.to == request.from)
                switch reaction.answer.content {
                case .result(let payload):
                    #expect(payload == nil)
                    resultCount += 1
                case .error: #expect(reaction.actions.isEmpty)
                case .get, .set: Issue.record("not an answer")
                }
                if let id = reaction.session { ends.perform(reaction.actions, in: id, at: side) }
                let endCount = ends[side].events.count { if case .ended = $0 { true } else { false } }
                #expect(endCount == (ends.session(side) == nil ? 1 : 0))
                #expect(ends.session(side)?.contents.isEmpty != true)
            }
        }
        #expect(resultCount > 25)
    }

    /// Two honest machines with random commands on both sides, and stanzas on the way: they never stop understanding
    /// each other, and end with the same contents.
    @Test(arguments: 20..<36 as Range<UInt64>)
    func honestPeersAgree(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var ends = try Ends()
        try ends.start([Sample.content("f"), Sample.content("g")])
        for _ in 0..<150 {
            switch UInt.random(in: 0..<4, using: &random) {
            case 0: playCommand(&ends, .alice, &random)
            case 1: playCommand(&ends, .bob, &random)
            case 2: try ends.deliver(from: .alice)
            default: try ends.deliver(from: .bob)
            }
        }
        try ends.settle()
        #expect(ends.alice.open.isEmpty && ends.bob.open.isEmpty)
        let contents = [ends.session(.alice), ends.session(.bob)].map { session in
            session?.contents.sorted { "\($0.id)" < "\($1.id)" }
        }
        #expect(contents[0]?.map(\.id) == contents[1]?.map(\.id))
        #expect(contents[0]?.map(\.senders) == contents[1]?.map(\.senders))
        #expect(contents[0]?.map(\.transport?.namespace) == contents[1]?.map(\.transport?.namespace))
        // Only what crossed on the way is refused: with what lost a tie-break goes what was said about it since, and a
        // candidate may come too late for its transport.
        let lost = Set(
            ends.refusals.flatMap { stanza, word in
                word == "tie-break" && stanza.action == .contentAdd ? stanza.contents.map(\.id) : []
            })
        for (stanza, word) in ends.refusals {
            switch word {
            case "tie-break", "unknown-session": break
            case "out-of-order": #expect(stanza.action == .transportInfo)
            default: #expect(stanza.contents.allSatisfy { lost.contains($0.id) }, "\(word) \(stanza)")
            }
        }
    }

    /// One command, chosen at random, which may be refused.
    private func playCommand(_ ends: inout Ends, _ side: Ends.Side, _ random: inout SeededRandom) {
        let number = UInt.random(in: 0..<12, using: &random)
        let role: JingleRole = side == .alice ? .initiator : .responder
        guard let session = ends.session(side), let content = session.contents.randomElement(using: &random) else {
            return
        }
        let id = content.id
        let name = "n\(UInt.random(in: 0..<1_000_000, using: &random))"
        try? ends.command(side) { session throws(JingleCommandError) in
            switch number {
            case 0: try session.addContents([Sample.content(name, by: role)])
            case 1: try session.acceptContents([Sample.answer(content)])
            case 2: try session.rejectContents([id], Reason(.decline))
            case 3: session.contents.count > 1 ? try session.removeContents([id], Reason(.cancel)) : []
            case 4: try session.modify(id, senders: Senders.allCases[Int(number + UInt(name.utf8.last ?? 0)) % 4])
            case 5: try session.replaceTransports([(id, Sample.inBand)])
            case 6: try session.acceptTransports([(id, Sample.inBand)])
            case 7: try session.rejectTransports([id])
            case 8: try session.sendTransportInfo(id, content.transport ?? Sample.inBand)
            case 9: try session.sendInfo(nil)
            case 10: try session.accept([Sample.answer(content)])
            default: try session.sendDescriptionInfo(id, .fileTransfer(Sample.file()))
            }
        }
    }
}
