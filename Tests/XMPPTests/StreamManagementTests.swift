import TestSupport
import Testing
import XML

@testable import XMPP

struct StreamManagementTests {
    static let now = ContinuousClock.now
    static let sm = "xmlns='urn:xmpp:sm:3'"
    static let enable = "<enable \(sm) max='120' resume='true'/>"
    static let ask = "<r \(sm)/>"

    static func element(_ text: String) throws -> XMLElement { try XMLElement(parsing: text) }

    /// One stream, as an object since an expectation may not change a value.
    @dynamicMemberLookup
    final class Stream {
        var management: StreamManagement

        init(isOffered: Bool) { management = StreamManagement(isOffered: isOffered) }

        subscript<Value>(dynamicMember path: WritableKeyPath<StreamManagement, Value>) -> Value {
            get { management[keyPath: path] }
            set { management[keyPath: path] = newValue }
        }
        subscript<Value>(dynamicMember path: KeyPath<StreamManagement, Value>) -> Value { management[keyPath: path] }

        func enqueue(_ stanza: String) -> Bool { management.enqueue(stanza) }
        /// Asks for an acknowledgement of every stanza, as happens within a while.
        func output() -> String? {
            let output = management.nextOutput(at: now)
            guard management.hasUnasked, management.askedAt == nil else { return output }
            ask()
            return (output ?? "") + (management.nextOutput(at: now) ?? "")
        }
        func ask() { management.ask(at: now) }
        func stanzaReceived() { management.stanzaReceived() }
        func received(_ element: XMLElement) throws { try management.received(element) }
        func connectionLost() { management.connectionLost() }
        func resumed(handledCount: UInt32) throws { try management.resumed(handledCount: handledCount) }
        func close() { management.close() }
    }

    /// A stream that counts and can be resumed.
    static func started(_ attributes: String = "resume='true' id='x'") throws -> Stream {
        let stream = Stream(isOffered: true)
        #expect(stream.output() == enable)
        #expect(stream.askedAt == now)
        try stream.received(element("<enabled \(sm) \(attributes)/>"))
        return stream
    }

    static func acknowledgement(_ count: UInt32) throws -> XMLElement { try element("<a \(sm) h='\(count)'/>") }

    // MARK: Transcripts

    @Test func stanzasAreKeptUntilTheyAreAcknowledged() throws {
        let stream = try Self.started()
        for name in ["<a/>", "<b/>"] { #expect(stream.enqueue(name)) }
        // One request for both; none is added while it is not answered.
        #expect(stream.output() == "<a/><b/>\(Self.ask)")
        #expect(stream.askedAt == Self.now)
        #expect(stream.enqueue("<c/>"))
        #expect(stream.output() == "<c/>")
        try stream.received(Self.acknowledgement(2))
        #expect(stream.keptCount == 1 && stream.askedAt == nil)
        #expect(stream.output() == Self.ask)
        try stream.received(Self.acknowledgement(3))
        #expect(stream.keptCount == 0)
        #expect(stream.output() == nil)
        // Asked after a silence.
        stream.ask()
        #expect(stream.output() == Self.ask)
        try stream.received(Self.acknowledgement(3))
        #expect(stream.output() == nil)
    }

    /// By itself it asks only for many, or for much.
    @Test func oneRequestIsForManyStanzas() throws {
        let stream = try Self.started()
        for _ in 0..<15 { #expect(stream.enqueue("<a/>")) }
        #expect(stream.management.nextOutput(at: Self.now)?.hasSuffix("<a/>") == true && stream.hasUnasked)
        #expect(stream.enqueue("<b/>"))
        #expect(stream.management.nextOutput(at: Self.now) == "<b/>" + Self.ask)
        #expect(!stream.hasUnasked)
        try stream.received(Self.acknowledgement(16))
        let long = "<" + String(repeating: "c", count: 300_000) + "/>"
        #expect(stream.enqueue(long))
        #expect(stream.management.nextOutput(at: Self.now) == long + Self.ask)
        // What was written since, and is acknowledged with it, is not asked for.
        #expect(stream.enqueue("<d/>"))
        #expect(stream.management.nextOutput(at: Self.now) == "<d/>")
        try stream.received(Self.acknowledgement(18))
        #expect(!stream.hasUnasked && stream.management.nextOutput(at: Self.now) == nil)
    }

    /// A server that does not count all is not asked again at once, and again, for the same.
    @Test func theSameIsAskedOnce() throws {
        let stream = try Self.started()
        #expect(stream.enqueue("<a/>") && stream.enqueue("<b/>"))
        _ = stream.output()
        try stream.received(Self.acknowledgement(1))
        #expect(stream.output() == nil && stream.keptCount == 1)
        #expect(stream.enqueue("<c/>"))
        #expect(stream.output() == "<c/>\(Self.ask)")
    }

    @Test func whatComesIsCountedAndAcknowledged() throws {
        let stream = Stream(isOffered: true)
        _ = stream.output()
        // Before the server has agreed nothing counts.
        stream.stanzaReceived()
        try stream.received(Self.element("<enabled \(Self.sm)/>"))
        #expect(stream.isOn && stream.session == nil && stream.resumption == nil)
        for _ in 0..<3 { stream.stanzaReceived() }
        try stream.received(Self.element(Self.ask))
        #expect(stream.output() == "<a \(Self.sm) h='3'/>")
        #expect(stream.output() == nil)
    }

    @Test func anotherConnectionBeginsWithWhatWasNotReceived() throws {
        let stream = try Self.started()
        for name in ["<a/>", "<b/>", "<c/>"] { #expect(stream.enqueue(name)) }
        _ = stream.output()
        for _ in 0..<2 { stream.stanzaReceived() }
        try stream.received(Self.acknowledgement(1))
        stream.connectionLost()
        #expect(stream.askedAt == nil)
        #expect(stream.enqueue("<d/>"))
        let resumption = try #require(stream.resumption)
        #expect(resumption.element.serialized() == "<resume \(Self.sm) h='2' previd='x'/>")
        try stream.resumed(handledCount: 2)
        #expect(stream.output() == "<c/><d/>\(Self.ask)")
        // Counted on, over both connections.
        try stream.received(Self.acknowledgement(4))
        stream.stanzaReceived()
        #expect(stream.keptCount == 0 && stream.resumption?.handledCount == 3)
        #expect(throws: StreamManagementViolation.handledCountTooHigh(5, sent: 4)) {
            try stream.received(Self.acknowledgement(5))
        }
    }

    @Test func theCountersWrapAround() throws {
        let stream = try Self.started()
        for _ in 0..<3 { #expect(stream.enqueue("<a/>")) }
        _ = stream.output()
        try stream.received(Self.acknowledgement(3))
        stream.acknowledgedCount = .max - 1
        stream.handledCount = .max
        for _ in 0..<4 { #expect(stream.enqueue("<b/>")) }
        _ = stream.output()
        try stream.received(Self.acknowledgement(1))
        #expect(stream.keptCount == 1)
        stream.stanzaReceived()
        #expect(stream.resumption?.handledCount == 0)
        stream.connectionLost()
        try stream.resumed(handledCount: 2)
        #expect(stream.keptCount == 0)
    }

    @Test func aServerWithoutItGetsAQueue() throws {
        let stream = Stream(isOffered: false)
        #expect(stream.enqueue("<a/>") && stream.enqueue("<b/>"))
        #expect(stream.output() == "<a/><b/>")
        #expect(stream.keptCount == 0 && stream.askedAt == nil && !stream.isOn)
        stream.ask()
        stream.stanzaReceived()
        #expect(stream.output() == nil)
        stream.close()
        #expect(!stream.enqueue("<c/>"))
        #expect(stream.output() == "</stream:stream>")
        #expect(stream.output() == nil)
    }

    @Test func aServerThatRefusesGetsAQueue() throws {
        let stream = Stream(isOffered: true)
        #expect(stream.enqueue("<a/>"))
        #expect(stream.output() == "\(Self.enable)<a/>")
        #expect(stream.enqueue("<b/>"))
        try stream.received(Self.element("<failed \(Self.sm)/>"))
        #expect(stream.output() == "<b/>")
        #expect(stream.keptCount == 0)
    }

    @Test func theEndFollowsWhatWasPutIn() throws {
        let stream = try Self.started()
        stream.stanzaReceived()
        #expect(stream.enqueue("<a/>"))
        stream.close()
        #expect(!stream.enqueue("<b/>"))
        #expect(
            stream.output()
                == "<a/><a \(Self.sm) h='1'/></stream:stream>")
        #expect(stream.output() == nil)
    }

    // MARK: Limits

    @Test func noMoreIsKeptThanTheLimits() throws {
        let stream = try Self.started()
        for _ in 0..<StreamManagement.stanzaLimit { #expect(stream.enqueue("<a/>")) }
        #expect(stream.isFull && !stream.enqueue("<a/>"))
        while stream.output() != nil {}
        // What is written still counts, until it is acknowledged.
        #expect(!stream.enqueue("<a/>"))
        try stream.received(Self.acknowledgement(1))
        #expect(stream.enqueue("<a/>") && !stream.enqueue("<a/>"))

        let other = try Self.started()
        let long = String(repeating: "x", count: StreamManagement.byteLimit + 1)
        #expect(other.enqueue(long) && !other.enqueue("<a/>"))
        #expect(other.output() == long + Self.ask)
        try other.received(Self.acknowledgement(1))
        #expect(other.enqueue("<a/>") && !other.enqueue(long))
    }

    @Test func muchGoesOutInPieces() throws {
        let stream = Stream(isOffered: false)
        let stanza = String(repeating: "x", count: 40_000)
        for _ in 0..<3 { #expect(stream.enqueue(stanza)) }
        #expect(stream.output()?.utf8.count == 80_000)
        #expect(stream.output()?.utf8.count == 40_000)
    }

    // MARK: What servers say

    static let sessions: [(attributes: String, session: (id: String, location: String?, seconds: Int?)?)] = [
        ("", nil), ("id='x'", nil), ("resume='true'", nil), ("resume='true' id=''", nil),
        ("resume='false' id='x'", nil), ("resume='yes' id='x'", nil),
        ("resume='true' id='\(String(repeating: "x", count: 4001))'", nil),
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
        let stream = try Self.started()
        #expect(stream.enqueue("<a/>") && stream.enqueue("<b/>"))
        _ = stream.output()
        try stream.received(Self.acknowledgement(1))
        #expect(throws: violation) { try stream.received(Self.element(text)) }
        #expect(stream.keptCount == 1)
    }

    @Test func nothingIsSaidBeforeItIsAgreedOn() throws {
        for text in ["<a \(Self.sm) h='0'/>", Self.ask] {
            let off = Stream(isOffered: false)
            #expect(throws: StreamManagementViolation.self) { try off.received(Self.element(text)) }
            let requested = Stream(isOffered: true)
            _ = requested.output()
            #expect(throws: StreamManagementViolation.self) { try requested.received(Self.element(text)) }
        }
        let stream = try Self.started()
        try stream.received(Self.element("<new \(Self.sm)/>"))
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
            let stream = Stream(isOffered: true)
            var sentCount = 0
            for _ in 0..<60 {
                switch Int.random(in: 0..<8, using: &random) {
                case 0, 1: if stream.enqueue("<s\(sentCount)/>") { sentCount += 1 }
                case 2: _ = stream.output()
                case 3: stream.stanzaReceived()
                case 4:
                    stream.connectionLost()
                    if let h = stream.resumption.map({ _ in UInt32.random(in: 0...8, using: &random) }) {
                        acceptedCount += (try? stream.resumed(handledCount: h)) == nil ? 0 : 1
                    }
                default:
                    let name = ["a", "r", "enabled", "failed", "x"].randomElement(using: &random) ?? "a"
                    var element = XMLElement(name, namespace: StreamManagement.namespace)
                    for attribute in ["h", "id", "max", "resume", "location"] where Bool.random(using: &random) {
                        element[attribute] = attribute == "resume" ? "true" : numbers.randomElement(using: &random)
                    }
                    acceptedCount += (try? stream.received(element)) == nil ? 0 : 1
                }
                #expect(stream.keptCount <= sentCount)
            }
            stream.connectionLost()
            guard stream.session != nil else { continue }
            let keptCount = stream.keptCount
            try stream.resumed(handledCount: stream.acknowledgedCount)
            let last = (sentCount - keptCount..<sentCount).map { "<s\($0)/>" }.joined()
            #expect((stream.output() ?? "").hasPrefix(last))
        }
        #expect(acceptedCount > 300)
    }
}
