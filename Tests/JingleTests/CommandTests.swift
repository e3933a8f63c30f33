import Jingle
import Testing
import XML
import XMPP

/// Commands that come at the wrong time, or are wrong.
@Suite struct CommandTests {
    private let f = ContentID(creator: .initiator, name: "f")

    private func session(_ side: Ends.Side, accepted: Bool) throws -> JingleSession {
        var ends = try Ends()
        if accepted { try ends.start() } else { try ends.initiate([Sample.content()]) }
        return try #require(ends.session(side))
    }

    @Test func onlyTheResponderAcceptsAndOnlyOnce() throws {
        let answer = Sample.answer(Sample.content())
        for (side, accepted) in [(Ends.Side.alice, false), (.alice, true), (.bob, true)] {
            var session = try session(side, accepted: accepted)
            #expect(throws: JingleCommandError.outOfOrder) { try session.accept([answer]) }
        }
    }

    @Test func answersMustBeToOffersAndWhole() throws {
        var session = try session(.bob, accepted: false)
        #expect(throws: JingleCommandError.noContents) { try session.accept([]) }
        #expect(throws: JingleCommandError.invalidContent(f)) { try session.accept([Content(f)]) }
        let other = Sample.answer(Sample.content("other"))
        #expect(throws: JingleCommandError.unknownContent(other.id)) { try session.accept([other]) }
        #expect(throws: JingleCommandError.outOfOrder) { try session.acceptContents([Sample.answer(Sample.content())]) }
        #expect(session.isPending)
    }

    @Test func addedContentsMustBeOwnNewAndWhole() throws {
        var session = try session(.bob, accepted: true)
        let foreign = Sample.content("g", by: .initiator)
        #expect(throws: JingleCommandError.invalidContent(foreign.id)) { try session.addContents([foreign]) }
        let bare = Content(ContentID(creator: .responder, name: "g"))
        #expect(throws: JingleCommandError.invalidContent(bare.id)) { try session.addContents([bare]) }
        let twice = Sample.content("g", by: .responder)
        #expect(throws: JingleCommandError.invalidContent(twice.id)) { try session.addContents([twice, twice]) }
        #expect(session.contents.count == 1)
        let many = (0..<64).map { Sample.content("c\($0)", by: .responder) }
        #expect(throws: JingleCommandError.limitReached) { try session.addContents(many) }
    }

    @Test func transportsNeedAContentAndAProposal() throws {
        var session = try session(.bob, accepted: true)
        let nobody = ContentID(creator: .responder, name: "nobody")
        #expect(throws: JingleCommandError.unknownContent(nobody)) {
            try session.sendTransportInfo(nobody, Sample.inBand)
        }
        #expect(throws: JingleCommandError.invalidContent(f)) { try session.sendTransportInfo(f, Sample.inBand) }
        #expect(throws: JingleCommandError.outOfOrder) { try session.acceptTransports([(f, Sample.inBand)]) }
        #expect(throws: JingleCommandError.outOfOrder) { try session.rejectTransports([f]) }
        _ = try session.replaceTransports([(f, Sample.inBand)])
        #expect(throws: JingleCommandError.outOfOrder) { try session.replaceTransports([(f, Sample.inBand)]) }
        // Candidates of the proposed transport may go before its acceptance.
        #expect(try session.sendTransportInfo(f, Sample.inBand).count == 1)
    }

    @Test func nothingGoesOutOfASessionThatIsOver() throws {
        var session = try session(.bob, accepted: true)
        #expect(session.terminate(Reason(.cancel)).count == 2)
        #expect(session.terminate(Reason(.cancel)).isEmpty)
        #expect(throws: JingleCommandError.outOfOrder) { try session.sendInfo(nil) }
        #expect(throws: JingleCommandError.outOfOrder) {
            try session.addContents([Sample.content("g", by: .responder)])
        }
        #expect(throws: JingleCommandError.outOfOrder) { try session.modify(f, senders: .none) }
        #expect(throws: JingleCommandError.outOfOrder) { try session.removeContents([f], Reason(.cancel)) }
    }

    @Test func requestsWithoutAnswerAreLimited() throws {
        var session = try session(.alice, accepted: true)
        for _ in 0..<256 { _ = try session.sendInfo(nil) }
        #expect(throws: JingleCommandError.limitReached) { try session.sendInfo(nil) }
        #expect(session.terminate(Reason(.cancel)).count == 2)
    }
}
