import Jingle
import Testing
import XML
import XMPP

@Suite struct StanzaTests {
    @Test(arguments: JingleAction.allCases)
    func everyActionIsReadAsWritten(action: JingleAction) throws {
        var stanza = JingleStanza(action, sid: "a73", contents: [Sample.content()], reason: Reason(.success))
        stanza.initiator = Sample.alice
        stanza.responder = Sample.bob
        stanza.payload = [XMLElement("group", namespace: "urn:xmpp:jingle:apps:grouping:0")]
        #expect(try JingleStanza(stanza.element.overTheWire()) == stanza)
    }

    @Test(arguments: JingleAction.allCases)
    func onlyWhatIsDoneAwayWithMayBeIncomplete(action: JingleAction) throws {
        let element = try jingle(
            action.rawValue,
            """
            <content creator='initiator' name='f'><description xmlns='urn:xmpp:jingle:apps:file-transfer:5'>\
            <file><size>x</size></file></description><transport xmlns='urn:xmpp:jingle:transports:s5b:1'/></content>
            """)
        let dismissals: [JingleAction] = [.contentReject, .contentRemove, .sessionTerminate, .transportReject]
        if dismissals.contains(action) {
            #expect(
                try JingleStanza(element).contents.first?.transport?.namespace == "urn:xmpp:jingle:transports:s5b:1")
        } else {
            #expect(throws: JingleSyntaxError.invalid("size")) { try JingleStanza(element) }
        }
    }

    @Test(arguments: Reason.Condition.allCases)
    func everyReasonIsReadAsWritten(condition: Reason.Condition) throws {
        let plain = Reason(condition)
        #expect(try Reason(plain.element.overTheWire()) == plain)
        #expect(plain.element.elements.map(\.name) == [condition.name])
        let detail = XMLElement("file-too-large", namespace: "urn:xmpp:jingle:apps:file-transfer:errors:0")
        let full = Reason(condition, text: "Sorry & goodbye", applicationCondition: detail)
        #expect(try Reason(full.element.overTheWire()) == full)
    }

    @Test func reasonsOfClients() throws {
        func reason(_ inside: String) throws -> Reason {
            try Reason(XMLElement(parsing: "<reason xmlns='urn:xmpp:jingle:1'>\(inside)</reason>"))
        }
        #expect(
            try reason("<alternative-session><sid>b84</sid></alternative-session>").condition
                == .alternativeSession(sid: "b84"))
        #expect(try reason("<alternative-session/>").condition == .alternativeSession(sid: nil))
        #expect(try reason("<failed_transport/>").condition == .failedTransport)
        #expect(try reason("").condition == .generalError)
        #expect(try reason("<unheard-of/>").condition == .generalError)
        #expect(try reason("<unheard-of/><cancel/>").condition == .cancel)
        #expect(throws: JingleSyntaxError.tooLong("text")) {
            try reason("<text>\(String(repeating: "x", count: 16_385))</text>")
        }
    }

    @Test func thereAreSeventeenReasonsAndFifteenActions() {
        #expect(Set(Reason.Condition.allCases.map(\.name)).count == 17)
        #expect(JingleAction.allCases.count == 15)
    }

    static let invalid: [(String, JingleSyntaxError)] = [
        ("<jingle xmlns='urn:xmpp:jingle:1' sid='x'/>", .missing("action")),
        ("<jingle xmlns='urn:xmpp:jingle:1' sid='x' action='session-fly'/>", .invalid("action")),
        ("<jingle xmlns='urn:xmpp:jingle:1' sid='x' action=''/>", .invalid("action")),
        ("<jingle xmlns='urn:xmpp:jingle:1' sid='x' action='Session-Info'/>", .invalid("action")),
        ("<jingle xmlns='urn:xmpp:jingle:1' action='session-info'/>", .missing("sid")),
        ("<jingle xmlns='urn:xmpp:jingle:1' sid='' action='session-info'/>", .invalid("sid")),
        (
            "<jingle xmlns='urn:xmpp:jingle:1' sid='\(String(repeating: "x", count: 257))' action='session-info'/>",
            .tooLong("sid")
        ),
        ("<jingle xmlns='urn:xmpp:jingle:0' sid='x' action='session-info'/>", .missing("jingle")),
        ("<jangle xmlns='urn:xmpp:jingle:1' sid='x' action='session-info'/>", .missing("jingle")),
    ]

    @Test(arguments: invalid) func refused(text: String, error: JingleSyntaxError) throws {
        let element = try XMLElement(parsing: text)
        #expect(throws: error) { try JingleStanza(element) }
    }

    static let invalidInside: [(String, JingleSyntaxError)] = [
        ("<content creator='initiator'/>", .missing("name")),
        ("<content name=''/>", .invalid("name")),
        ("<content name='\(String(repeating: "n", count: 257))'/>", .tooLong("name")),
        ("<content name='a' creator='nobody'/>", .invalid("creator")),
        ("<content name='a' creator=''/>", .invalid("creator")),
        ("<content name='a' senders='all'/>", .invalid("senders")),
        ("<content name='a' disposition=''/>", .invalid("disposition")),
        ("<content name='a'/><content name='a' creator='initiator'/>", .invalid("content")),
        ("<content name='a'><description xmlns='x'/><description xmlns='y'/></content>", .invalid("description")),
        ("<content name='a'><transport xmlns='x'/><transport xmlns='y'/></content>", .invalid("transport")),
        ("<content name='a'><security xmlns='x'/><security xmlns='y'/></content>", .invalid("security")),
        ("<content name='a'>\((0..<33).map { "<e\($0) xmlns='x'/>" }.joined())</content>", .tooMany("content")),
        ((0..<65).map { "<content name='\($0)'/>" }.joined(), .tooMany("content")),
        ((0..<33).map { "<e\($0) xmlns='x'/>" }.joined(), .tooMany("jingle")),
        ("<reason><busy/></reason><reason><busy/></reason>", .invalid("reason")),
    ]

    @Test(arguments: invalidInside) func refusedInside(inside: String, error: JingleSyntaxError) throws {
        let element = try jingle("transport-info", inside)
        #expect(throws: error) { try JingleStanza(element) }
    }

    @Test func unknownPartsAreKept() throws {
        let element = try jingle(
            "session-initiate",
            """
            <content creator='initiator' name='a' senders='initiator' disposition='render'>\
            <description xmlns='urn:x'><file/></description><transport xmlns='urn:y' sid='1'><candidate/></transport>\
            <security xmlns='urn:xmpp:jingle:jet:0' name='a'/><extra xmlns='urn:z'>text</extra></content>
            """)
        #expect(try JingleStanza(element).element.canonical == element.canonical)
    }

    @Test(arguments: JingleErrorCondition.allCases)
    func conditionsAreFoundInTheirErrors(condition: JingleErrorCondition) {
        #expect(JingleErrorCondition(StanzaError(condition.stanzaError.element)) == condition)
        #expect(JingleErrorCondition(StanzaError(condition.stanzaError.condition, kind: .cancel)) == nil)
    }

    @Test func whatIsAdvertised() {
        #expect(
            Set(Jingle.features) == [
                "urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:file-transfer:5", "urn:sleigh:jingle:apps:stream:0",
                "urn:sleigh:jingle:apps:bench:0", "urn:sleigh:jingle:apps:forward:0",
                "urn:sleigh:jingle:apps:file-continuation:0", "urn:sleigh:jingle:apps:stream-continuation:0",
                "urn:xmpp:jingle-message:0",
                "urn:sleigh:jingle:transports:ice-quic:0", "urn:sleigh:jingle:bytestream-tls:0",
                "urn:xmpp:jingle:transports:s5b:1", "http://jabber.org/protocol/bytestreams",
                "urn:xmpp:jingle:transports:ibb:1", "http://jabber.org/protocol/ibb", "urn:xmpp:hashes:2",
                "urn:xmpp:hash-function-text-names:sha-256",
            ])
    }
}
