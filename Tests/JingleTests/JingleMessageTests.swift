import Jingle
import Testing
import XML
import XMPP

@Suite struct JingleMessageTests {
    private let alice = Sample.alice
    private let bob = JID("bob@example.net")

    static let messages: [JingleMessage.Content] = [
        .propose([.fileTransfer(Sample.file()), .unknown(XMLElement("description", namespace: "urn:x"))]), .ringing,
        .proceed, .accept, .reject(Reason(.busy), isTieBreak: false), .reject(nil, isTieBreak: true),
        .retract(Reason(.expired), isTieBreak: true), .retract(nil, isTieBreak: false),
        .finish(Reason(.success), migratedTo: nil), .finish(nil, migratedTo: "989a"),
    ]

    @Test(arguments: messages) func everyMessageIsReadAsWritten(content: JingleMessage.Content) throws {
        let message = JingleMessage(id: "ca3c", content)
        let stanza = message.message(to: try #require(Sample.alice), stanzaID: "m1")
        #expect(stanza.kind == .chat)
        #expect(stanza.first("store", namespace: "urn:xmpp:hints") != nil)
        let received = try Message(stanza.element.overTheWire())
        #expect(try JingleMessage(received) == message)
    }

    @Test func aMessageWithoutOne() throws {
        let message = Message(
            to: nil, kind: .chat, payloads: [XMLElement("body", namespace: Namespace.client, text: "hi")])
        #expect(try JingleMessage(message) == nil)
    }

    static let invalid: [(String, JingleSyntaxError)] = [
        ("<propose id='1'/>", .missing("description")), ("<propose><description xmlns='x'/></propose>", .missing("id")),
        ("<proceed/>", .missing("id")), ("<proceed id=''/>", .invalid("id")),
        ("<proceed id='\(String(repeating: "x", count: 257))'/>", .tooLong("id")),
        ("<fly id='1'/>", .invalid("jingle-message")), ("<finish id='1'><migrated/></finish>", .missing("to")),
        (
            "<propose id='1'>\(String(repeating: "<description xmlns='x'/>", count: 17))</propose>",
            .tooMany("description")
        ),
        (
            "<propose id='1'><description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><size>x</size></file></description></propose>",
            .invalid("size")
        ),
    ]

    @Test(arguments: invalid) func refused(text: String, error: JingleSyntaxError) throws {
        let outer = try XMLElement(parsing: "<outer xmlns='urn:xmpp:jingle-message:0'>\(text)</outer>")
        let element = try #require(outer.elements.first)
        #expect(throws: error) { try JingleMessage(element) }
    }

    // MARK: The proposer

    private func proposal() throws -> JingleMessageProposal {
        let (proposal, actions) = JingleMessageProposal.propose(
            [.fileTransfer(Sample.file())], id: "p", to: try #require(bob))
        #expect(actions == [.send(JingleMessage(id: "p", .propose([.fileTransfer(Sample.file())])), to: proposal.peer)])
        return proposal
    }

    private func device(_ name: String) throws -> JID { try #require(bob?.with(resource: name)) }

    @Test func theFirstDeviceWins() throws {
        var proposal = try proposal()
        let (phone, desk, tv) = (try device("phone"), try device("desk"), try device("tv"))
        #expect(proposal.receive(JingleMessage(id: "p", .ringing), from: phone) == [.ringing(phone)])
        #expect(proposal.receive(JingleMessage(id: "p", .ringing), from: phone).isEmpty)
        #expect(proposal.receive(JingleMessage(id: "p", .ringing), from: desk) == [.ringing(desk)])
        let taken = JingleMessage(id: "p", .retract(Reason(.expired), isTieBreak: false))
        #expect(
            proposal.receive(JingleMessage(id: "p", .proceed), from: desk) == [.proceed(desk), .send(taken, to: phone)])
        #expect(proposal.device == desk)
        #expect(proposal.receive(JingleMessage(id: "p", .proceed), from: tv) == [.send(taken, to: tv)])
        #expect(proposal.receive(JingleMessage(id: "p", .proceed), from: desk).isEmpty)
        #expect(proposal.receive(JingleMessage(id: "p", .reject(nil, isTieBreak: false)), from: phone).isEmpty)
        #expect(proposal.retract().isEmpty)
        #expect(
            proposal.finish(Reason(.success))
                == [.send(JingleMessage(id: "p", .finish(Reason(.success), migratedTo: nil)), to: desk)])
        #expect(proposal.isEnded)
        #expect(proposal.receive(JingleMessage(id: "p", .proceed), from: tv).isEmpty)
    }

    @Test func rejectedOrOverruled() throws {
        let phone = try device("phone")
        var rejected = try proposal()
        let reject = JingleMessage(id: "p", .reject(Reason(.busy), isTieBreak: false))
        #expect(rejected.receive(reject, from: phone) == [.rejected(Reason(.busy))])
        #expect(rejected.isEnded)
        var overruled = try proposal()
        let tie = JingleMessage(id: "p", .reject(Reason(.expired), isTieBreak: true))
        #expect(overruled.receive(tie, from: phone) == [.overruled])
    }

    @Test func retractedAndUndeliverable() throws {
        var retracted = try proposal()
        let retract = JingleMessage(id: "p", .retract(Reason(.cancel), isTieBreak: false))
        #expect(retracted.retract() == [.send(retract, to: retracted.peer)])
        #expect(retracted.receive(JingleMessage(id: "p", .proceed), from: try device("x")).isEmpty)
        var lost = try proposal()
        let error = StanzaError(.serviceUnavailable, kind: .cancel)
        #expect(lost.receive(error: error) == [.undeliverable(error)])
        #expect(lost.isEnded && lost.receive(error: error).isEmpty)
    }

    @Test func finishedByTheDeviceThatTookIt() throws {
        var proposal = try proposal()
        let (phone, desk) = (try device("phone"), try device("desk"))
        _ = proposal.receive(JingleMessage(id: "p", .proceed), from: desk)
        let finish = JingleMessage(id: "p", .finish(Reason(.success), migratedTo: nil))
        #expect(proposal.receive(finish, from: phone).isEmpty)
        #expect(proposal.receive(finish, from: desk) == [.finished(Reason(.success))])
    }

    @Test func strangersAndOtherIdentifiersChangeNothing() throws {
        var proposal = try proposal()
        let stranger = try #require(JID("mallory@example.net/phone"))
        #expect(proposal.receive(JingleMessage(id: "p", .proceed), from: stranger).isEmpty)
        #expect(proposal.receive(JingleMessage(id: "q", .proceed), from: try device("x")).isEmpty)
        #expect(proposal.receive(JingleMessage(id: "p", .proceed), from: proposal.peer).isEmpty)
        #expect(proposal.device == nil && !proposal.isEnded)
        let desk = try device("desk")
        var (toOne, _) = JingleMessageProposal.propose([], id: "p", to: desk)
        #expect(toOne.receive(JingleMessage(id: "p", .proceed), from: try device("phone")).isEmpty)
        #expect(toOne.receive(JingleMessage(id: "p", .proceed), from: desk) == [.proceed(desk)])
    }

    // MARK: The responder

    private func invitation() throws -> JingleMessageInvitation {
        let propose = JingleMessage(id: "p", .propose([.fileTransfer(Sample.file())]))
        let from = try #require(alice)
        return try #require(JingleMessageInvitation(propose, from: from, isDelayed: false))
    }

    private func send(_ content: JingleMessage.Content) throws -> [JingleMessageInvitation.Action] {
        [.send(JingleMessage(id: "p", content), to: try #require(alice))]
    }

    @Test func rungAndTaken() throws {
        var invitation = try invitation()
        #expect(try invitation.ring() == send(.ringing))
        #expect(invitation.ring().isEmpty)
        #expect(try invitation.proceed() == send(.proceed))
        #expect(invitation.isProceeding && invitation.proceed().isEmpty && invitation.reject().isEmpty)
        #expect(try invitation.finish(Reason(.success)) == send(.finish(Reason(.success), migratedTo: nil)))
        #expect(invitation.isEnded)
    }

    @Test func rejected() throws {
        var invitation = try invitation()
        #expect(try invitation.reject() == send(.reject(Reason(.busy), isTieBreak: false)))
        #expect(invitation.isEnded && invitation.proceed().isEmpty && invitation.ring().isEmpty)
    }

    @Test func staleOrAnonymousProposalsAreNone() throws {
        let propose = JingleMessage(id: "p", .propose([.fileTransfer(Sample.file())]))
        let from = try #require(alice)
        #expect(JingleMessageInvitation(propose, from: from, isDelayed: true) == nil)
        #expect(JingleMessageInvitation(propose, from: from.bare, isDelayed: false) == nil)
        #expect(JingleMessageInvitation(JingleMessage(id: "p", .proceed), from: from, isDelayed: false) == nil)
    }

    @Test(arguments: [false, true]) func retractedOnlyByItsInitiator(taken: Bool) throws {
        var invitation = try invitation()
        if taken { _ = invitation.proceed() }
        let retract = JingleMessage(id: "p", .retract(Reason(.cancel), isTieBreak: false))
        #expect(invitation.receive(retract, from: try #require(JID("alice@example.org/phone"))).isEmpty)
        #expect(
            invitation.receive(JingleMessage(id: "q", .retract(nil, isTieBreak: false)), from: invitation.initiator)
                .isEmpty)
        #expect(invitation.receive(retract, from: invitation.initiator) == [.retracted(Reason(.cancel))])
        #expect(invitation.isEnded && invitation.receive(retract, from: invitation.initiator).isEmpty)
    }

    @Test(arguments: [JingleMessage.Content.proceed, .accept])
    func takenByAnotherDevice(content: JingleMessage.Content) throws {
        var invitation = try invitation()
        let phone = try device("phone")
        #expect(invitation.receiveFromOwnAccount(JingleMessage(id: "q", content), by: phone).isEmpty)
        #expect(
            invitation.receiveFromOwnAccount(JingleMessage(id: "p", content), by: phone) == [.takenElsewhere(phone)])
        #expect(invitation.proceed().isEmpty)
    }

    @Test func rejectedOnAnotherDevice() throws {
        var invitation = try invitation()
        let reject = JingleMessage(id: "p", .reject(Reason(.busy), isTieBreak: false))
        #expect(
            invitation.receiveFromOwnAccount(reject, by: try device("phone")) == [.rejectedElsewhere(Reason(.busy))])
        #expect(invitation.isEnded)
    }

    @Test func bothSidesOfOneProposal() throws {
        let from = try #require(alice)
        let desk = try device("desk")
        var (proposal, actions) = JingleMessageProposal.propose([.fileTransfer(Sample.file())], id: "p", to: desk.bare)
        guard case .send(let propose, _)? = actions.first else { throw IncompleteTest() }
        let received = try #require(try JingleMessage(Message(propose.message(to: desk.bare).element.overTheWire())))
        var invitation = try #require(JingleMessageInvitation(received, from: from, isDelayed: false))
        guard case .fileTransfer(let file)? = invitation.descriptions.first else { throw IncompleteTest() }
        #expect(file.hashesUsed == [.sha256])
        guard case .send(let proceed, let to)? = invitation.proceed().first else { throw IncompleteTest() }
        #expect(to == from)
        #expect(proposal.receive(proceed, from: desk) == [.proceed(desk)])
    }
}
