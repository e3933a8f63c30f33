import Jingle
import Testing
import XML
import XMPP

/// Streams that may go on in another session: Wire/Stream-Continuation.md.
@Suite struct StreamContinuationTests {
    @Test(arguments: [nil, "e09a"])
    func offerAndAnswerCarryIt(sid: String?) throws {
        var ends = try Ends()
        var content = Sample.content("f")
        content.continuation = StreamContinuation(sid: sid)
        let written = try #require(try content.element.overTheWire().elements.last)
        #expect(
            written
                == XMLElement(
                    "continuation", namespace: "urn:sleigh:jingle:apps:stream-continuation:0",
                    attributes: sid.map { ["sid": $0] } ?? [:]))
        try ends.initiate([content])
        #expect(ends.bob.events == [.offered([content])])
        var answer = Sample.answer(content)
        answer.continuation = StreamContinuation()
        try ends.command(.bob) { session throws(JingleCommandError) in try session.accept([answer]) }
        try ends.settle()
        #expect(ends.alice.events == [.accepted([answer])])
    }

    @Test func whatNamesNoPossibleSessionIsRefused() {
        #expect(throws: JingleSyntaxError.invalid("sid")) { try read { $0["sid"] = "" } }
        #expect(throws: JingleSyntaxError.tooLong("sid")) {
            try read { $0["sid"] = String(repeating: "x", count: 257) }
        }
        #expect(throws: JingleSyntaxError.invalid("continuation")) { try read(count: 2) { _ in } }
    }

    /// An element of that name from elsewhere is somebody else's.
    @Test func otherNamespacesAreLeftAlone() throws {
        let content = try read { $0.namespace = "urn:example:other" }
        #expect(content.continuation == nil && content.extensions.count == 1)
    }

    private func read(
        count: Int = 1, _ change: (inout XMLElement) -> Void
    ) throws(JingleSyntaxError) -> Content {
        var element = StreamContinuation(sid: "e09a").element
        change(&element)
        return try Content(
            XMLElement(
                "content", namespace: Jingle.namespace, attributes: ["creator": "initiator", "name": "f"],
                children: Array(repeating: element, count: count)), in: .sessionInitiate)
    }
}
