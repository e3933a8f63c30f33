import Jingle
import Testing
import XML
import XMPP

/// Requests that cross on the way, and requests that get lost (XEP-0166 § 7.2.16, § 10).
@Suite struct CrossingTests {
    private let f = ContentID(creator: .initiator, name: "f")
    private let g = ContentID(creator: .initiator, name: "g")

    @Test func theInitiatorsTransportReplaceWins() throws {
        var ends = try Ends()
        try ends.start()
        let other = ContentTransport.socks5(SOCKS5TransportDescription(sid: "y"))
        try ends.command(.alice) { s throws(JingleCommandError) in try s.replaceTransports([(f, Sample.inBand)]) }
        try ends.command(.bob) { s throws(JingleCommandError) in try s.replaceTransports([(f, other)]) }
        try ends.settle()
        #expect(
            ends.transcript == [
                "alice: transport-replace", "bob: transport-replace", "alice: tie-break", "bob: result",
            ])
        #expect(ends.bob.events == [.transportReplaceRejected(f, nil), .transportReplaceOffered(f, Sample.inBand)])
        #expect(ends.alice.events.isEmpty)
        try ends.command(.bob) { s throws(JingleCommandError) in try s.acceptTransports([(f, Sample.inBand)]) }
        try ends.settle()
        #expect(ends.alice.events == [.transportReplaceAccepted(f, Sample.inBand)])
        #expect(ends.session(.bob)?.content(f)?.transport == Sample.inBand)
    }

    @Test func theInitiatorsContentAddWins() throws {
        var ends = try Ends()
        try ends.start()
        let own = Sample.content("own")
        let other = Sample.content("other", by: .responder)
        try ends.command(.alice) { s throws(JingleCommandError) in try s.addContents([own]) }
        try ends.command(.bob) { s throws(JingleCommandError) in try s.addContents([other]) }
        try ends.settle()
        #expect(ends.bob.events.contains(.contentsAdded([own])))
        #expect(
            ends.bob.events.contains(
                .requestFailed(.contentAdd, [other.id], .refused(JingleErrorCondition.tieBreak.stanzaError))))
        #expect(ends.alice.events.isEmpty)
        #expect(ends.session(.alice)?.contents == ends.session(.bob)?.contents)
        // Nothing waits any more, so it can be tried again.
        try ends.command(.bob) { s throws(JingleCommandError) in try s.addContents([other]) }
        try ends.settle()
        #expect(ends.alice.events == [.contentsAdded([other])])
    }

    @Test func theInitiatorsContentModifyWins() throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.alice) { s throws(JingleCommandError) in try s.modify(f, senders: .both) }
        try ends.command(.bob) { s throws(JingleCommandError) in try s.modify(f, senders: .none) }
        try ends.settle()
        #expect(ends.session(.alice)?.content(f)?.senders == .both)
        #expect(ends.session(.bob)?.content(f)?.senders == .both)
    }

    @Test func aContentRemovedByBothIsGone() throws {
        var ends = try Ends()
        try ends.start([Sample.content("f"), Sample.content("g")])
        try ends.command(.alice) { s throws(JingleCommandError) in try s.removeContents([g], Reason(.cancel)) }
        try ends.command(.bob) { s throws(JingleCommandError) in try s.removeContents([g], Reason(.cancel)) }
        try ends.settle()
        #expect(ends.session(.alice)?.contents.map(\.id) == [f])
        #expect(ends.session(.bob)?.contents.map(\.id) == [f])
    }

    @Test func bothSidesEndTheSession() throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.alice) { s throws(JingleCommandError) in s.terminate(Reason(.success)) }
        try ends.command(.bob) { s throws(JingleCommandError) in s.terminate(Reason(.success)) }
        try ends.settle()
        #expect(
            ends.transcript
                == [
                    "alice: session-terminate", "bob: session-terminate", "alice: unknown-session",
                    "bob: unknown-session",
                ])
        #expect(ends.alice.events == [.ended(.local(Reason(.success)))])
        #expect(ends.bob.events == [.ended(.local(Reason(.success)))])
    }

    @Test func acceptanceCrossesTheRemovalOfOneContent() throws {
        var ends = try Ends()
        try ends.initiate([Sample.content("f"), Sample.content("g")])
        try ends.command(.alice) { s throws(JingleCommandError) in try s.removeContents([g], Reason(.cancel)) }
        try ends.command(.bob) { s throws(JingleCommandError) in
            try s.accept([Sample.answer(Sample.content("f")), Sample.answer(Sample.content("g"))])
        }
        try ends.settle()
        #expect(ends.session(.alice)?.isActive == true && ends.session(.bob)?.isActive == true)
        #expect(ends.session(.alice)?.contents.map(\.id) == [f])
        #expect(ends.session(.bob)?.contents.map(\.id) == [f])
    }

    @Test func acceptanceOfAContentCrossesItsRemoval() throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.alice) { s throws(JingleCommandError) in try s.addContents([Sample.content("g")]) }
        try ends.settle()
        try ends.command(.alice) { s throws(JingleCommandError) in try s.removeContents([g], Reason(.cancel)) }
        try ends.command(.bob) { s throws(JingleCommandError) in
            try s.acceptContents([Sample.answer(Sample.content("g"))])
        }
        try ends.settle()
        #expect(ends.session(.alice)?.isActive == true)
        #expect(ends.session(.alice)?.contents.map(\.id) == ends.session(.bob)?.contents.map(\.id))
    }

    // MARK: Two session-initiates at once

    private func crossing(_ aliceSID: String, _ bobSID: String, _ bobSenders: Senders) throws -> [String] {
        let alice = try #require(Sample.alice)
        let bob = try #require(Sample.bob)
        var sessions = [JingleSessions(localAddress: alice), JingleSessions(localAddress: bob)]
        let (_, aliceActions) = try sessions[0].initiate([Sample.content()], sid: aliceSID, to: bob)
        let (_, bobActions) = try sessions[1].initiate([Sample.content(senders: bobSenders)], sid: bobSID, to: alice)
        return try [(0, bobActions, bob), (1, aliceActions, alice)].map { index, actions, from in
            guard case .request(_, let stanza)? = actions.first else { throw IncompleteTest() }
            let answer = sessions[index].receive(IQ(from: from, to: nil, id: "1", content: .set(stanza.element))).answer
            guard case .error(let error) = answer.content else { return "result" }
            return JingleErrorCondition(error)?.rawValue ?? error.condition.rawValue
        }
    }

    @Test func theLowerSessionIdentifierWinsForTheSameFile() throws {
        // Alice offers what Bob asks her for.
        #expect(try crossing("a", "b", .responder) == ["tie-break", "result"])
        #expect(try crossing("b", "a", .responder) == ["result", "tie-break"])
        #expect(try crossing("a", "B", .responder) == ["result", "tie-break"])
    }

    @Test func twoFilesMayCross() throws {
        #expect(try crossing("a", "b", .initiator) == ["result", "result"])
    }

    @Test func theSameIdentifierFromBothSidesIsRefused() throws {
        #expect(try crossing("a", "a", .initiator) == ["out-of-order", "out-of-order"])
    }

    // MARK: Failures

    @Test(arguments: [JingleRequestFailure.unanswered, .refused(StanzaError(.serviceUnavailable, kind: .cancel))])
    func aLostInformationDoesNotEndTheSession(failure: JingleRequestFailure) throws {
        let (end, actions) = try failed(failure) { s throws(JingleCommandError) in
            try s.sendTransportInfo(f, Sample.transport())
        }
        #expect(actions == [.event(.requestFailed(.transportInfo, [f], failure))])
        #expect(end.isActive)
    }

    @Test func anUnknownSessionIsOver() throws {
        let failure = JingleRequestFailure.refused(JingleErrorCondition.unknownSession.stanzaError)
        let (end, actions) = try failed(failure) { s throws(JingleCommandError) in try s.sendInfo(nil) }
        #expect(actions == [.event(.ended(.failed(.sessionInfo, failure)))])
        #expect(end.isEnded)
    }

    @Test func aRefusedDirectionIsTakenBack() throws {
        let failure = JingleRequestFailure.refused(StanzaError(.notAllowed, kind: .cancel))
        let (end, actions) = try failed(failure) { s throws(JingleCommandError) in try s.modify(f, senders: .none) }
        #expect(actions == [.event(.requestFailed(.contentModify, [f], failure))])
        #expect(end.content(f)?.senders == .initiator)
    }

    @Test func aRefusedTransportIsTakenBack() throws {
        let failure = JingleRequestFailure.refused(StanzaError(.notAllowed, kind: .cancel))
        let (end, _) = try failed(failure) { s throws(JingleCommandError) in
            try s.replaceTransports([(f, Sample.inBand)])
        }
        var again = end
        #expect(try again.replaceTransports([(f, Sample.inBand)]).count == 1)
    }

    @Test func anUnansweredOfferIsWithdrawn() throws {
        var ends = try Ends()
        let (id, actions) = try ends.alice.sessions.initiate(
            [Sample.content()], sid: "s1", to: try #require(Sample.bob))
        guard case .request(let key, _)? = actions.first else { throw IncompleteTest() }
        let after = ends.alice.sessions.receiveFailure(.unanswered, for: key, in: id)
        #expect(after.last == .event(.ended(.failed(.sessionInitiate, .unanswered))))
        guard case .request(_, let stanza)? = after.first else { throw IncompleteTest() }
        #expect(stanza.action == .sessionTerminate && stanza.reason == Reason(.timeout))
        #expect(ends.alice.sessions[id] == nil)
        #expect(ends.alice.sessions.receiveFailure(.unanswered, for: key, in: id).isEmpty)
    }

    @Test(arguments: [JingleRequestFailure.unanswered, .refused(StanzaError(.notAcceptable, kind: .cancel))])
    func anAddedContentThatWasNotTakenIsGone(failure: JingleRequestFailure) throws {
        let (end, actions) = try failed(failure) { s throws(JingleCommandError) in
            try s.addContents([Sample.content("g")])
        }
        #expect(actions.first == .event(.requestFailed(.contentAdd, [g], failure)))
        #expect(end.contents.map(\.id) == [f])
        // Without an answer the peer may have it, and is told.
        guard failure == .unanswered else {
            #expect(actions.count == 1)
            return
        }
        guard case .request(_, let stanza)? = actions.last else { throw IncompleteTest() }
        #expect(stanza.action == .contentRemove && stanza.contents.map(\.id) == [g])
    }

    @Test func acceptancesThatFailLeaveNothingInDoubt() throws {
        let failure = JingleRequestFailure.refused(StanzaError(.internalServerError, kind: .cancel))
        var ends = try Ends()
        try ends.start()
        try ends.command(.alice) { s throws(JingleCommandError) in try s.addContents([Sample.content("g")]) }
        try ends.settle()
        var session = try #require(ends.session(.bob))
        guard case .request(let key, _)? = try session.acceptContents([Sample.answer(Sample.content("g"))]).first else {
            throw IncompleteTest()
        }
        let actions = session.receiveFailure(failure, for: key)
        #expect(actions.first == .event(.requestFailed(.contentAccept, [g], failure)))
        guard case .request(_, let remove)? = actions.last else { throw IncompleteTest() }
        #expect(remove.action == .contentRemove)
        #expect(session.contents.map(\.id) == [f])

        var fresh = try Ends()
        try fresh.initiate([Sample.content()])
        var pending = try #require(fresh.session(.bob))
        guard case .request(let acceptKey, _)? = try pending.accept([Sample.answer(Sample.content())]).first else {
            throw IncompleteTest()
        }
        let ending = pending.receiveFailure(failure, for: acceptKey)
        #expect(ending.last == .event(.ended(.failed(.sessionAccept, failure))))
        guard case .request(_, let terminate)? = ending.first else { throw IncompleteTest() }
        #expect(terminate.action == .sessionTerminate && pending.isEnded)
    }

    @Test func everyRequestHasItsOwnKey() throws {
        let (first, actions) = try JingleSession.initiate(
            [Sample.content()], sid: "x", from: try #require(Sample.alice), to: try #require(Sample.bob))
        var session = first
        let more = try session.sendInfo(nil) + session.sendInfo(nil)
        let keys = (actions + more).compactMap { if case .request(let key, _) = $0 { key } else { nil } }
        #expect(keys.count == 3 && Set(keys).count == 3)
        // An answer counts once.
        #expect(
            session.receiveFailure(.unanswered, for: keys[1]) == [.event(.requestFailed(.sessionInfo, [], .unanswered))]
        )
        #expect(session.receiveFailure(.unanswered, for: keys[1]).isEmpty)
        #expect(session.receiveResult(for: keys[2]).isEmpty)
        #expect(session.receiveFailure(.unanswered, for: keys[2]).isEmpty)
    }

    /// Alice's session after a command of hers has failed, and what follows.
    private func failed(
        _ failure: JingleRequestFailure,
        _ command: (inout JingleSession) throws(JingleCommandError) -> [JingleSession.Action]
    ) throws -> (JingleSession, [JingleSession.Action]) {
        var ends = try Ends()
        try ends.start()
        var session = try #require(ends.session(.alice))
        guard case .request(let key, _)? = try command(&session).first else { throw IncompleteTest() }
        let actions = session.receiveFailure(failure, for: key)
        return (session, actions)
    }
}
