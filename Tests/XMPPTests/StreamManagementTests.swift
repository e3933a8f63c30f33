import TestSupport
import Testing
import XML

@testable import XMPP

struct StreamManagementTests {
    static let now = ContinuousClock.now
    static let sm = "xmlns='urn:xmpp:sm:3'"
    static let enable = "<enable \(sm) resume='true'/>"
    static let ask = "<r \(sm)/>"

    static func element(_ text: String) throws -> XMLElement { try XMLElement(parsing: text) }

    /// A stream that counts and can be resumed.
    static func started(_ attributes: String = "resume='true' id='x'") throws -> StreamManagement {
        var management = StreamManagement(isOffered: true)
        #expect(management.nextOutput(at: now) == enable)
        try management.received(element("<enabled \(sm) \(attributes)/>"))
        return management
    }

    static func acknowledgement(_ count: UInt32) throws -> XMLElement { try element("<a \(sm) h='\(count)'/>") }

    // MARK: Transcripts

    @Test func stanzasAreKeptUntilTheyAreAcknowledged() throws {
        var management = try Self.started()
        for name in ["<a/>", "<b/>"] { #expect(management.enqueue(name)) }
        // One request for both; none is added while it is not answered.
        #expect(management.nextOutput(at: Self.now) == "<a/><b/>\(Self.ask)")
        #expect(management.askedAt == Self.now)
        #expect(management.enqueue("<c/>"))
        #expect(management.nextOutput(at: Self.now) == "<c/>")
        try management.received(Self.acknowledgement(2))
        #expect(management.keptCount == 1 && management.askedAt == nil)
        #expect(management.nextOutput(at: Self.now) == Self.ask)
        try management.received(Self.acknowledgement(3))
        #expect(management.keptCount == 0)
        #expect(management.nextOutput(at: Self.now) == nil)
        // Asked after a silence.
        management.ask(at: Self.now)
        #expect(management.nextOutput(at: Self.now) == Self.ask)
        try management.received(Self.acknowledgement(3))
        #expect(management.nextOutput(at: Self.now) == nil)
    }

    @Test func whatComesIsCountedAndAcknowledged() throws {
        var management = StreamManagement(isOffered: true)
        _ = management.nextOutput(at: Self.now)
        // Before the server has agreed nothing counts.
        management.stanzaReceived()
        try management.received(Self.element("<enabled \(Self.sm)/>"))
        #expect(management.isOn && management.session == nil && management.resumption == nil)
        for _ in 0..<3 { management.stanzaReceived() }
        try management.received(Self.element(Self.ask))
        #expect(management.nextOutput(at: Self.now) == "<a \(Self.sm) h='3'/>")
        #expect(management.nextOutput(at: Self.now) == nil)
    }

    @Test func anotherConnectionBeginsWithWhatWasNotReceived() throws {
        var management = try Self.started()
        for name in ["<a/>", "<b/>", "<c/>"] { #expect(management.enqueue(name)) }
        _ = management.nextOutput(at: Self.now)
        for _ in 0..<2 { management.stanzaReceived() }
        try management.received(Self.acknowledgement(1))
        management.connectionLost()
        #expect(management.askedAt == nil)
        #expect(management.enqueue("<d/>"))
        let resumption = try #require(management.resumption)
        #expect(resumption.element.serialized() == "<resume \(Self.sm) h='2' previd='x'/>")
        try management.resumed(handledCount: 2)
        #expect(management.nextOutput(at: Self.now) == "<c/><d/>\(Self.ask)")
        // Counted on, over both connections.
        try management.received(Self.acknowledgement(4))
        management.stanzaReceived()
        #expect(management.keptCount == 0 && management.resumption?.handledCount == 3)
        #expect(throws: StreamManagementViolation.handledCountTooHigh(5, sent: 4)) {
            try management.received(Self.acknowledgement(5))
        }
    }

    @Test func theCountersWrapAround() throws {
        var management = try Self.started()
        for _ in 0..<3 { #expect(management.enqueue("<a/>")) }
        _ = management.nextOutput(at: Self.now)
        try management.received(Self.acknowledgement(3))
        management.acknowledgedCount = .max - 1
        management.handledCount = .max
        for _ in 0..<4 { #expect(management.enqueue("<b/>")) }
        _ = management.nextOutput(at: Self.now)
        try management.received(Self.acknowledgement(1))
        #expect(management.keptCount == 1)
        management.stanzaReceived()
        #expect(management.resumption?.handledCount == 0)
        management.connectionLost()
        try management.resumed(handledCount: 2)
        #expect(management.keptCount == 0)
    }

    @Test func aServerWithoutItGetsAQueue() throws {
        var management = StreamManagement(isOffered: false)
        #expect(management.enqueue("<a/>") && management.enqueue("<b/>"))
        #expect(management.nextOutput(at: Self.now) == "<a/><b/>")
        #expect(management.keptCount == 0 && management.askedAt == nil && !management.isOn)
        management.ask(at: Self.now)
        management.stanzaReceived()
        #expect(management.nextOutput(at: Self.now) == nil)
        management.close()
        #expect(!management.enqueue("<c/>"))
        #expect(management.nextOutput(at: Self.now) == "</stream:stream>")
        #expect(management.nextOutput(at: Self.now) == nil)
    }

    @Test func aServerThatRefusesGetsAQueue() throws {
        var management = StreamManagement(isOffered: true)
        #expect(management.enqueue("<a/>"))
        #expect(management.nextOutput(at: Self.now) == "\(Self.enable)<a/>")
        #expect(management.enqueue("<b/>"))
        try management.received(Self.element("<failed \(Self.sm)/>"))
        #expect(management.nextOutput(at: Self.now) == "<b/>")
        #expect(management.keptCount == 0)
    }

    @Test func theEndFollowsWhatWasPutIn() throws {
        var management = try Self.started()
        management.stanzaReceived()
        #expect(management.enqueue("<a/>"))
        management.close()
        #expect(!management.enqueue("<b/>"))
        #expect(
            management.nextOutput(at: Self.now)
                == "<a/>\(Self.ask)<a \(Self.sm) h='1'/></stream:stream>")
        #expect(management.nextOutput(at: Self.now) == nil)
    }

    // MARK: Limits

    @Test func noMoreIsKeptThanTheLimits() throws {
        var management = try Self.started()
        for _ in 0..<StreamManagement.stanzaLimit { #expect(management.enqueue("<a/>")) }
        #expect(management.isFull && !management.enqueue("<a/>"))
        while management.nextOutput(at: Self.now) != nil {}
        // What is written still counts, until it is acknowledged.
        #expect(!management.enqueue("<a/>"))
        try management.received(Self.acknowledgement(1))
        #expect(management.enqueue("<a/>") && !management.enqueue("<a/>"))

        var other = try Self.started()
        let long = String(repeating: "x", count: StreamManagement.byteLimit + 1)
        #expect(other.enqueue(long) && !other.enqueue("<a/>"))
        #expect(other.nextOutput(at: Self.now) == long + Self.ask)
        try other.received(Self.acknowledgement(1))
        #expect(other.enqueue("<a/>") && !other.enqueue(long))
    }

    @Test func muchGoesOutInPieces() throws {
        var management = StreamManagement(isOffered: false)
        let stanza = String(repeating: "x", count: 40_000)
        for _ in 0..<3 { #expect(management.enqueue(stanza)) }
        #expect(management.nextOutput(at: Self.now)?.utf8.count == 80_000)
        #expect(management.nextOutput(at: Self.now)?.utf8.count == 40_000)
    }

    // MARK: What servers say

    static let sessions: [(attributes: String, session: (id: String, location: String?, seconds: Int?)?)] = [
        ("", nil), ("id='x'", nil), ("resume='true'", nil), ("resume='true' id=''", nil), ("resume='false' id='x'", nil),
        ("resume='yes' id='x'", nil), ("resume='true' id='\(String(repeating: "x", count: 4001))'", nil),
        ("resume='1' id='x'", ("x", nil, nil)),
        ("resume='true' id='x' max='600' location='[2001:db8::1]:9222'", ("x", "[2001:db8::1]:9222", 600)),
        ("resume='true' id='x' max='0'", ("x", nil, nil)), ("resume='true' id='x' max='-1'", ("x", nil, nil)),
        ("resume='true' id='x' max='4294967296'", ("x", nil, nil)),
        ("resume='true' id='x' location='\(String(repeating: "x", count: 513))'", ("x", nil, nil)),
    ]

    @Test(arguments: sessions.indices) func enabledIsRead(index: Int) throws {
        let (attributes, expected) = Self.sessions[index]
        let session = try Self.started(attributes).session
        #expect(session?.id == expected?.id)
        #expect(session?.location == expected?.location)
        #expect(session?.maximumSeconds == expected?.seconds)
    }

    /// To a stream over which two stanzas went, of which one is acknowledged.
    static let violations: [(String, StreamManagementViolation)] = [
        ("<a \(sm)/>", .malformed("a")), ("<a \(sm) h=''/>", .malformed("a")), ("<a \(sm) h='-1'/>", .malformed("a")),
        ("<a \(sm) h='+2'/>", .malformed("a")), ("<a \(sm) h=' 2'/>", .malformed("a")),
        ("<a \(sm) h='2.0'/>", .malformed("a")), ("<a \(sm) h='٢'/>", .malformed("a")),
        ("<a \(sm) h='4294967296'/>", .malformed("a")), ("<a \(sm) h='00000000002'/>", .malformed("a")),
        ("<a \(sm) h='3'/>", .handledCountTooHigh(3, sent: 2)), ("<a \(sm) h='0'/>", .handledCountTooHigh(0, sent: 2)),
        ("<a \(sm) h='4294967295'/>", .handledCountTooHigh(.max, sent: 2)),
        ("<enabled \(sm) resume='true' id='y'/>", .unexpected("enabled")), ("<failed \(sm)/>", .unexpected("failed")),
        ("<resumed \(sm) previd='x' h='2'/>", .unexpected("resumed")),
    ]

    @Test(arguments: violations.indices) func isRefused(index: Int) throws {
        let (text, violation) = Self.violations[index]
        var management = try Self.started()
        #expect(management.enqueue("<a/>") && management.enqueue("<b/>"))
        _ = management.nextOutput(at: Self.now)
        try management.received(Self.acknowledgement(1))
        #expect(throws: violation) { try management.received(Self.element(text)) }
        #expect(management.keptCount == 1)
    }

    @Test func nothingIsSaidBeforeItIsAgreedOn() throws {
        for text in ["<a \(Self.sm) h='0'/>", Self.ask] {
            var off = StreamManagement(isOffered: false)
            #expect(throws: StreamManagementViolation.self) { try off.received(Self.element(text)) }
            var requested = StreamManagement(isOffered: true)
            _ = requested.nextOutput(at: Self.now)
            #expect(throws: StreamManagementViolation.self) { try requested.received(Self.element(text)) }
        }
        var management = try Self.started()
        try management.received(Self.element("<new \(Self.sm)/>"))
    }

    @Test func aViolationIsTold() {
        #expect(
            StreamManagementViolation.handledCountTooHigh(10, sent: 8).closingText
                == "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                + "<handled-count-too-high \(Self.sm) h='10' send-count='8'/></stream:error></stream:stream>")
    }

    // MARK: Fuzz

    /// A server that says anything, over a connection that is lost again and again: nothing traps, the limits hold, and what
    /// is kept are the last stanzas, without a gap.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func anythingMayCome(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let numbers = ["0", "1", "2", "3", "7", "4294967295", "-1", "x", ""]
        var acceptedCount = 0
        for _ in 0..<300 {
            var management = StreamManagement(isOffered: true)
            var sentCount = 0
            for _ in 0..<60 {
                switch Int.random(in: 0..<8, using: &random) {
                case 0, 1: if management.enqueue("<s\(sentCount)/>") { sentCount += 1 }
                case 2: _ = management.nextOutput(at: Self.now)
                case 3: management.stanzaReceived()
                case 4:
                    management.connectionLost()
                    if let h = management.resumption.map({ _ in UInt32.random(in: 0...8, using: &random) }) {
                        acceptedCount += (try? management.resumed(handledCount: h)) == nil ? 0 : 1
                    }
                default:
                    let name = ["a", "r", "enabled", "failed", "x"].randomElement(using: &random) ?? "a"
                    var element = XMLElement(name, namespace: StreamManagement.namespace)
                    for attribute in ["h", "id", "max", "resume", "location"] where Bool.random(using: &random) {
                        element[attribute] = attribute == "resume" ? "true" : numbers.randomElement(using: &random)
                    }
                    acceptedCount += (try? management.received(element)) == nil ? 0 : 1
                }
                #expect(management.keptCount <= sentCount)
            }
            management.connectionLost()
            guard management.session != nil else { continue }
            let keptCount = management.keptCount
            try management.resumed(handledCount: management.acknowledgedCount)
            let last = (sentCount - keptCount..<sentCount).map { "<s\($0)/>" }.joined()
            #expect((management.nextOutput(at: Self.now) ?? "").hasPrefix(last))
        }
        #expect(acceptedCount > 300)
    }
}
