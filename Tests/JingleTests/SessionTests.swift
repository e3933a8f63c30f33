import Jingle
import Testing
import XML
import XMPP

/// Both ends of a session, each action once.
@Suite struct SessionTests {
    private let f = ContentID(creator: .initiator, name: "f")
    private let g = ContentID(creator: .initiator, name: "g")
    private let h = ContentID(creator: .responder, name: "h")

    @Test func offerAcceptTransferEnd() throws {
        var ends = try Ends()
        let content = Sample.content()
        try ends.initiate([content])
        #expect(ends.bob.events == [.offered([content])])
        #expect(ends.session(.bob)?.isPending == true)
        let answer = Sample.answer(content)
        try ends.command(.bob) { s throws(JingleCommandError) in try s.accept([answer]) }
        try ends.settle()
        #expect(ends.alice.events == [.accepted([answer])])
        #expect(ends.session(.alice)?.isActive == true && ends.session(.bob)?.isActive == true)
        #expect(ends.session(.alice)?.isAccepted(f) == true)
        var file = FileDescription()
        file.hashes = [try #require(Hash(.sha256, value: [UInt8](repeating: 7, count: 32)))]
        try ends.command(.alice) { s throws(JingleCommandError) in
            try s.sendInfo(.checksum(SessionInfo.ContentReference(f), file))
        }
        try ends.command(.bob) { s throws(JingleCommandError) in
            try s.sendInfo(.received(SessionInfo.ContentReference(f)))
        }
        try ends.settle()
        #expect(ends.bob.events.last == .checksum(f, file))
        #expect(ends.alice.events.last == .received(f))
        try ends.command(.bob) { s throws(JingleCommandError) in s.terminate(Reason(.success)) }
        #expect(ends.session(.bob) == nil)
        try ends.settle()
        #expect(ends.bob.events.last == .ended(.local(Reason(.success))))
        #expect(ends.alice.events.last == .ended(.peer(Reason(.success))))
        #expect(ends.session(.alice) == nil)
        #expect(
            ends.transcript == [
                "alice: session-initiate", "bob: result", "bob: session-accept", "alice: result",
                "alice: session-info", "bob: session-info", "alice: result", "bob: result",
                "bob: session-terminate", "alice: result",
            ])
    }

    @Test func theOfferNamesTheInitiatorAndTheAnswerTheResponder() throws {
        let alice = try #require(Sample.alice)
        let bob = try #require(Sample.bob)
        let (_, actions) = try JingleSession.initiate([Sample.content()], sid: "x", from: alice, to: bob)
        guard case .request(_, let stanza)? = actions.first else { throw IncompleteTest() }
        #expect(stanza.initiator == alice && actions.count == 1)
        var (session, _) = JingleSession.receive(stanza, from: alice, to: bob)
        let answers = try session?.accept([Sample.answer(Sample.content())])
        guard case .request(_, let accept)? = answers?.first else { throw IncompleteTest() }
        #expect(accept.responder == bob && accept.initiator == nil)
    }

    @Test func contentsLeftOutOfTheAnswerAreRejected() throws {
        var ends = try Ends()
        try ends.initiate([Sample.content("f"), Sample.content("g")])
        try ends.command(.bob) { s throws(JingleCommandError) in try s.accept([Sample.answer(Sample.content("f"))]) }
        try ends.settle()
        #expect(ends.alice.events.last == .contentsRejected([g], nil))
        #expect(ends.session(.alice)?.contents.map(\.id) == [f])
        #expect(ends.session(.bob)?.contents.map(\.id) == [f])
    }

    @Test func declinedOffer() throws {
        var ends = try Ends()
        try ends.initiate([Sample.content()])
        try ends.command(.bob) { s throws(JingleCommandError) in s.terminate(Reason(.decline)) }
        try ends.settle()
        #expect(ends.alice.events == [.ended(.peer(Reason(.decline)))])
    }

    @Test func aFileAskedForByItsReceiver() throws {
        var ends = try Ends()
        var request = Sample.content("f", senders: .responder)
        request.description = .fileTransfer(FileDescription(name: "big.iso"))
        try ends.initiate([request])
        #expect(ends.bob.events == [.offered([request])])
        try ends.command(.bob) { s throws(JingleCommandError) in try s.accept([Sample.answer(request)]) }
        try ends.settle()
        #expect(ends.session(.alice)?.content(f)?.direction.includes(.responder) == true)
        #expect(ends.session(.alice)?.content(f)?.direction.includes(.initiator) == false)
    }

    @Test(arguments: [Ends.Side.alice, .bob])
    func contentsAddedAndAccepted(side: Ends.Side) throws {
        var ends = try Ends()
        try ends.start()
        let content = Sample.content("h", by: side == .alice ? .initiator : .responder)
        try ends.command(side) { s throws(JingleCommandError) in try s.addContents([content]) }
        try ends.settle()
        let other: Ends.Side = side == .alice ? .bob : .alice
        #expect(ends[other].events == [.contentsAdded([content])])
        let answer = Sample.answer(content)
        try ends.command(other) { s throws(JingleCommandError) in try s.acceptContents([answer]) }
        try ends.settle()
        #expect(ends[side].events == [.contentsAccepted([answer])])
        #expect(ends.session(side)?.isAccepted(content.id) == true)
        #expect(ends.session(other)?.isAccepted(content.id) == true)
    }

    @Test func contentsAddedAndRejected() throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.bob) { s throws(JingleCommandError) in
            try s.addContents([Sample.content("h", by: .responder)])
        }
        try ends.settle()
        let reason = Reason(
            .failedApplication,
            applicationCondition: XMLElement(
                "file-not-available", namespace: "urn:xmpp:jingle:apps:file-transfer:errors:0"))
        try ends.command(.alice) { s throws(JingleCommandError) in try s.rejectContents([h], reason) }
        try ends.settle()
        #expect(ends.bob.events == [.contentsRejected([h], reason)])
        #expect(ends.session(.bob)?.contents.map(\.id) == [f])
    }

    @Test func aContentRemoved() throws {
        var ends = try Ends()
        try ends.start([Sample.content("f"), Sample.content("g")])
        try ends.command(.bob) { s throws(JingleCommandError) in try s.removeContents([g], Reason(.cancel)) }
        try ends.settle()
        #expect(ends.alice.events == [.contentsRemoved([g], Reason(.cancel))])
        #expect(ends.session(.alice)?.contents.map(\.id) == [f])
    }

    @Test func theLastContentRemovedEndsTheSession() throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.bob) { s throws(JingleCommandError) in try s.removeContents([f], Reason(.mediaError)) }
        try ends.settle()
        #expect(ends.transcript == ["bob: session-terminate", "alice: result"])
        #expect(ends.alice.events == [.ended(.peer(Reason(.mediaError)))])
    }

    @Test func theLastContentRemovedByAPeerThatGoesOnEndsTheSession() throws {
        var ends = try Ends()
        try ends.start()
        let remove = try jingle("content-remove", "<content creator='initiator' name='f'/>")
        let reaction = ends.alice.sessions.receive(
            IQ(from: Sample.bob, to: Sample.alice, id: "x", content: .set(remove)))
        #expect(reaction.answer.content == .result(nil))
        let id = try #require(reaction.session)
        ends.perform(reaction.actions, in: id, at: .alice)
        #expect(ends.alice.events == [.contentsRemoved([f], nil), .ended(.peer(nil))])
        try ends.settle()
        #expect(ends.transcript == ["alice: session-terminate", "bob: result"])
        #expect(ends.session(.alice) == nil && ends.session(.bob) == nil)
    }

    @Test func directionDescriptionAndSecurity() throws {
        var ends = try Ends()
        try ends.start()
        let hint = ContentDescription.fileTransfer(FileDescription(size: 5))
        try ends.command(.alice) { s throws(JingleCommandError) in try s.modify(f, senders: .none) }
        try ends.command(.bob) { s throws(JingleCommandError) in try s.sendDescriptionInfo(f, hint) }
        try ends.settle()
        #expect(ends.bob.events == [.sendersChanged(f, .none)])
        #expect(ends.alice.events == [.descriptionInfo(f, hint)])
        #expect(ends.session(.alice)?.content(f)?.senders == Senders.none)
        let security = XMLElement("security", namespace: "urn:xmpp:jingle:security:stub:0")
        try ends.command(.alice) { s throws(JingleCommandError) in try s.sendSecurityInfo(f, security) }
        try ends.settle()
        #expect(ends.transcript.last == "bob: unsupported-info")
        #expect(
            ends.alice.events.last
                == .requestFailed(.securityInfo, [f], .refused(JingleErrorCondition.unsupportedInfo.stanzaError)))
        #expect(ends.session(.alice)?.isActive == true)
    }

    @Test(arguments: [Ends.Side.alice, .bob])
    func candidatesBeforeAndAfterAcceptance(side: Ends.Side) throws {
        var ends = try Ends()
        try ends.initiate([Sample.content()])
        let more = ContentTransport.iceQUIC(
            ICEQUICTransportDescription(ice: ICEUDPTransportDescription(credentials: nil), isGatheringComplete: true))
        let other: Ends.Side = side == .alice ? .bob : .alice
        try ends.command(side) { s throws(JingleCommandError) in try s.sendTransportInfo(f, more) }
        try ends.settle()
        #expect(ends[other].events.last == .transportInfo(f, more))
        try ends.command(.bob) { s throws(JingleCommandError) in try s.accept([Sample.answer(Sample.content())]) }
        try ends.command(side) { s throws(JingleCommandError) in try s.sendTransportInfo(f, Sample.transport()) }
        try ends.settle()
        #expect(ends[other].events.last == .transportInfo(f, Sample.transport()))
    }

    @Test(arguments: [Ends.Side.alice, .bob])
    func transportReplaced(side: Ends.Side) throws {
        var ends = try Ends()
        try ends.start()
        let other: Ends.Side = side == .alice ? .bob : .alice
        try ends.command(side) { s throws(JingleCommandError) in try s.replaceTransports([(f, Sample.inBand)]) }
        try ends.settle()
        #expect(ends[other].events == [.transportReplaceOffered(f, Sample.inBand)])
        #expect(ends.session(other)?.content(f)?.transport == Sample.transport())
        try ends.command(other) { s throws(JingleCommandError) in try s.acceptTransports([(f, Sample.inBand)]) }
        try ends.settle()
        #expect(ends[side].events == [.transportReplaceAccepted(f, Sample.inBand)])
        #expect(ends.session(side)?.content(f)?.transport == Sample.inBand)
        #expect(ends.session(other)?.content(f)?.transport == Sample.inBand)
    }

    @Test func transportReplacementRejected() throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.bob) { s throws(JingleCommandError) in try s.replaceTransports([(f, Sample.inBand)]) }
        try ends.settle()
        let reason = Reason(.unsupportedTransports)
        try ends.command(.alice) { s throws(JingleCommandError) in try s.rejectTransports([f], reason) }
        try ends.settle()
        #expect(ends.bob.events == [.transportReplaceRejected(f, reason)])
        #expect(ends.session(.bob)?.content(f)?.transport == Sample.transport())
        // The way is free for another proposal.
        try ends.command(.bob) { s throws(JingleCommandError) in try s.replaceTransports([(f, Sample.inBand)]) }
        try ends.settle()
        #expect(ends.alice.events.last == .transportReplaceOffered(f, Sample.inBand))
    }

    @Test func aRejectionRepeatsTheTransport() throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.bob) { s throws(JingleCommandError) in try s.replaceTransports([(f, Sample.inBand)]) }
        try ends.settle()
        var session = try #require(ends.session(.alice))
        guard case .request(_, let stanza)? = try session.rejectTransports([f]).first else { throw IncompleteTest() }
        #expect(stanza.contents == [Content(f, transport: Sample.inBand)])
    }

    /// As Gajim 1.7 and others write it.
    @Test(arguments: [
        "<transport xmlns='urn:xmpp:jingle:transports:ibb:1'/>", "",
        "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' sid='None' block-size='4096'/>",
    ])
    func aRejectionNeedNotRepeatIt(transport: String) throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.alice) { s throws(JingleCommandError) in try s.replaceTransports([(f, Sample.inBand)]) }
        var session = try #require(ends.session(.alice))
        let content = "<content creator='initiator' name='f'>\(transport)</content>"
        let reaction = try session.receive(JingleStanza(jingle("transport-reject", content)))
        #expect(reaction.answer == .acknowledge)
        #expect(reaction.actions == [.event(.transportReplaceRejected(f, nil))])
    }

    @Test func pingIsAnsweredAndTellsNothing() throws {
        var ends = try Ends()
        try ends.start()
        try ends.command(.alice) { s throws(JingleCommandError) in try s.sendInfo(nil) }
        try ends.settle()
        #expect(ends.transcript == ["alice: session-info", "bob: result"])
        #expect(ends.bob.events.isEmpty && ends.alice.events.isEmpty)
    }

    @Test func aRefusedOfferEndsTheSession() throws {
        var ends = try Ends()
        ends.bob.sessions = JingleSessions(localAddress: ends.bob.sessions.localAddress, maximumCount: 0)
        try ends.initiate([Sample.content()])
        #expect(
            ends.alice.events
                == [.ended(.failed(.sessionInitiate, .refused(StanzaError(.resourceConstraint, kind: .wait))))])
        #expect(ends.session(.alice) == nil)
        #expect(ends.transcript == ["alice: session-initiate", "bob: resource-constraint"])
    }

    @Test func securedContentsAreRefused() throws {
        var ends = try Ends()
        var secured = Sample.content("g")
        secured.security = XMLElement("security", namespace: "urn:xmpp:jingle:jet:0")
        try ends.initiate([Sample.content("f"), secured])
        #expect(ends.bob.events == [.offered([Sample.content("f")])])
        #expect(ends.alice.events == [.contentsRejected([g], Reason(.securityError))])
        #expect(ends.session(.alice)?.contents.map(\.id) == [f])
    }

    @Test func anOfferOfSecuredContentsOnlyIsEnded() throws {
        var ends = try Ends()
        var secured = Sample.content()
        secured.security = XMLElement("security", namespace: "urn:xmpp:jingle:jet:0")
        try ends.initiate([secured])
        #expect(ends.bob.events == [.ended(.local(Reason(.securityError)))])
        #expect(ends.alice.events == [.ended(.peer(Reason(.securityError)))])
        #expect(ends.session(.bob) == nil)
    }

    @Test func everySessionEndsWithTheProgram() throws {
        var ends = try Ends()
        try ends.start()
        for (id, actions) in ends.alice.sessions.terminateAll(Reason(.gone)) {
            ends.perform(actions, in: id, at: .alice)
        }
        try ends.settle()
        #expect(ends.bob.events == [.ended(.peer(Reason(.gone)))])
        #expect(ends.alice.sessions.ids.isEmpty)
    }
}

struct IncompleteTest: Error {}
