import Jingle
import Testing
import XML
import XMPP

/// How a party asks its peer to send no faster: Wire/Limit.md.
@Suite struct RateLimitTests {
    @Test func offerAndAnswerCarryIt() throws {
        var ends = try Ends()
        var content = Sample.content("f")
        content.limit = RateLimit(bytesPerSecond: 20_000_000)
        #expect(
            try content.element.overTheWire().elements.last
                == XMLElement(
                    "limit", namespace: "urn:sleigh:jingle:limit:0", attributes: ["bytes-per-second": "20000000"]))
        try ends.initiate([content])
        #expect(ends.bob.events == [.offered([content])])
        var answer = Sample.answer(content)
        answer.limit = RateLimit(bytesPerSecond: 1000)
        try ends.command(.bob) { session throws(JingleCommandError) in try session.accept([answer]) }
        try ends.settle()
        #expect(ends.alice.events == [.accepted([answer])])
    }

    @Test(
        arguments: [
            ("999", nil), ("1000", 1000), ("1000000000000", 1_000_000_000_000), ("1000000000001", nil), ("", nil),
            ("-1000", nil), ("+1000", nil), ("1e6", nil), ("1000.5", nil), ("0x1000", nil), (" 2000 ", 2000),
            ("18446744073709551616", nil), ("٢٠٠٠", nil),
        ] as [(String, UInt64?)])
    func numbersOutsideTheRangeAreRefused(text: String, number: UInt64?) throws {
        let element = contentElement { $0.attributes["bytes-per-second"] = text }
        #expect((try? Content(element, in: .sessionAccept))?.limit?.bytesPerSecond == number)
        if number == nil {
            #expect(throws: JingleSyntaxError.self) { try Content(element, in: .sessionAccept) }
        }
    }

    @Test func aLimitWithoutNumberOrTwiceIsRefused() {
        #expect(throws: JingleSyntaxError.missing("bytes-per-second")) {
            try Content(contentElement { $0.attributes = [:] }, in: .sessionAccept)
        }
        #expect(throws: JingleSyntaxError.invalid("limit")) {
            var twice = contentElement { _ in }
            twice.append(twice.elements[0])
            _ = try Content(twice, in: .sessionAccept)
        }
    }

    /// An element of that name from elsewhere is somebody else's.
    @Test func otherNamespacesAreLeftAlone() throws {
        var element = contentElement { _ in }
        element.children = [.element(XMLElement("limit", namespace: "urn:example:other"))]
        let content = try Content(element, in: .sessionInitiate)
        #expect(content.limit == nil && content.extensions.count == 1)
    }

    private func contentElement(_ change: (inout XMLElement) -> Void) -> XMLElement {
        var limit = XMLElement(
            "limit", namespace: "urn:sleigh:jingle:limit:0", attributes: ["bytes-per-second": "5000"])
        change(&limit)
        return XMLElement(
            "content", namespace: Jingle.namespace, attributes: ["creator": "initiator", "name": "f"],
            children: [limit])
    }
}
