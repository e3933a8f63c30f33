import Testing

@testable import XMPP

struct IQTrackerTests {
    static let own = "juliet@capulet.example/balcony"

    static func tracker(limit: Int = 256) throws -> IQTracker<Int> {
        IQTracker(address: try #require(JID(own)), limit: limit)
    }

    static func answer(_ id: String, from: String?) throws -> IQ {
        IQ(from: try from.map { try #require(JID($0)) }, to: nil, id: id, content: .result(nil))
    }

    static let cases: [(to: String?, from: String?, accepted: Bool)] = [
        (nil, nil, true), (nil, "juliet@capulet.example", true), (nil, own, true), (nil, "capulet.example", true),
        (nil, "juliet@capulet.example/other", false), (nil, "evil@capulet.example", false),
        (nil, "capulet.example/x", false), (nil, "montague.example", false),
        ("juliet@capulet.example", nil, true), ("juliet@capulet.example", own, true),
        ("juliet@capulet.example", "juliet@capulet.example", true),
        ("juliet@capulet.example", "capulet.example", false),
        ("capulet.example", nil, true), ("capulet.example", "capulet.example", true),
        ("capulet.example", "juliet@capulet.example", false), ("capulet.example", "evil.example", false),
        ("romeo@montague.example/o", "romeo@montague.example/o", true), ("romeo@montague.example/o", nil, false),
        ("romeo@montague.example/o", "romeo@montague.example", false),
        ("romeo@montague.example/o", "montague.example", false),
        ("romeo@montague.example/o", "romeo@montague.example/O", false),
        ("romeo@montague.example/o", "Romeo@Montague.example/o", true),
        ("romeo@montague.example/o", own, false),
    ]

    @Test(arguments: cases)
    func onlyWhoWasAskedMayAnswer(_ to: String?, _ from: String?, _ accepted: Bool) throws {
        var tracker = try Self.tracker()
        let target = try to.map { try #require(JID($0)) }
        try tracker.track(id: "1", to: target, deadline: .now, waiter: 7)
        #expect(tracker.answered(by: try Self.answer("2", from: from)) == nil)
        #expect(tracker.answered(by: try Self.answer("1", from: from)) == (accepted ? 7 : nil))
        // A spoofed answer leaves the request waiting; a real one ends it.
        #expect(tracker.answered(by: try Self.answer("1", from: to)) == (accepted ? nil : 7))
    }

    @Test func requestsAreNoAnswers() throws {
        var tracker = try Self.tracker()
        try tracker.track(id: "1", to: nil, deadline: .now, waiter: 7)
        #expect(tracker.answered(by: IQ(to: nil, id: "1", content: .get(Ping.request))) == nil)
        let error = IQ(to: nil, id: "1", content: .error(StanzaError(.itemNotFound, kind: .cancel)))
        #expect(tracker.answered(by: error) == 7)
    }

    @Test func deadlinesExpireInTime() throws {
        var tracker = try Self.tracker()
        let start = ContinuousClock.now
        #expect(tracker.nextDeadline == nil)
        for (id, seconds) in [("b", 20), ("a", 10), ("c", 30)] {
            try tracker.track(id: id, to: nil, deadline: start + .seconds(seconds), waiter: seconds)
        }
        #expect(tracker.nextDeadline == start + .seconds(10))
        #expect(tracker.expire(at: start + .seconds(9)) == [])
        #expect(tracker.expire(at: start + .seconds(20)).sorted() == [10, 20])
        #expect(tracker.answered(by: try Self.answer("a", from: nil)) == nil)
        #expect(tracker.nextDeadline == start + .seconds(30))
        #expect(tracker.cancel(id: "c") == 30)
        #expect(tracker.cancel(id: "c") == nil)
    }

    @Test func outstandingRequestsAreBounded() throws {
        var tracker = try Self.tracker(limit: 2)
        try tracker.track(id: "1", to: nil, deadline: .now, waiter: 1)
        #expect(throws: IQTracker<Int>.TrackingError.duplicateID) {
            try tracker.track(id: "1", to: nil, deadline: .now, waiter: 9)
        }
        try tracker.track(id: "2", to: nil, deadline: .now, waiter: 2)
        #expect(throws: IQTracker<Int>.TrackingError.tooMany) {
            try tracker.track(id: "3", to: nil, deadline: .now, waiter: 3)
        }
        #expect(tracker.cancelAll().sorted() == [1, 2])
        #expect(tracker.nextDeadline == nil)
    }
}
