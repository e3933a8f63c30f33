import Jingle
import Testing
import XML
import XMPP

/// Streams as an application: Wire/Stream.md.
@Suite struct StreamTests {
    private let stream = Content(
        ContentID(creator: .initiator, name: "s"), senders: .both, description: .stream,
        transport: Sample.transport())

    @Test func descriptionGoesOverTheWire() throws {
        let written = try ContentDescription.stream.element.overTheWire()
        #expect(written == XMLElement("description", namespace: "urn:sleigh:jingle:apps:stream:0"))
        #expect(try ContentDescription(written) == .stream)
    }

    /// Libervia's, whose description is as empty.
    @Test func oneWayDescriptionGoesOverTheWire() throws {
        let written = try ContentDescription.oneWayStream.element.overTheWire()
        #expect(written == XMLElement("description", namespace: "http://salut-a-toi.org/protocol/stream"))
        #expect(try ContentDescription(written) == .oneWayStream)
        #expect(!Jingle.features.contains(written.namespace))
    }

    /// Either side tells the other about the one stream there is, by its name or without.
    @Test func whatBecomesOfTheBytesIsTold() throws {
        var ends = try Ends()
        try ends.start([stream, Sample.content("f")])
        try ends.command(.alice) { s throws(JingleCommandError) in
            try s.sendInfo(.delivered(.init(stream.id), byteCount: .max))
        }
        try ends.command(.bob) { s throws(JingleCommandError) in try s.sendInfo(.stopped(.init())) }
        try ends.settle()
        #expect(ends.bob.events == [.delivered(stream.id, byteCount: .max)])
        #expect(ends.alice.events == [.stopped(stream.id)])
    }

    @Test(arguments: [
        "<delivered/>", "<delivered bytes=''/>", "<delivered bytes='-1'/>", "<delivered bytes='1.5'/>",
        "<delivered bytes='18446744073709551616'/>", "<delivered bytes='1' creator='nobody'/>",
        // A file is no stream.
        "<delivered bytes='1' name='f'/>", "<stopped name='f'/>", "<stopped name='other'/>", "<stopped creator=''/>",
        "<started/>",
    ])
    func wrongInformationIsRefused(inside: String) throws {
        var ends = try Ends()
        try ends.start([stream, Sample.content("f")])
        let space = inside.firstIndex { $0 == " " || $0 == "/" } ?? inside.endIndex
        let payload = inside[..<space] + " xmlns='urn:sleigh:jingle:apps:stream:0'" + inside[space...]
        let element = try jingle("session-info", String(payload))
        let reaction = ends.alice.sessions.receive(IQ(from: Sample.bob, to: nil, id: "1", content: .set(element)))
        #expect(["bad-request", "unsupported-info"].contains(word(reaction.answer)))
        #expect(reaction.actions.isEmpty)
    }
}
