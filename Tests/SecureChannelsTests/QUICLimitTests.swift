import Testing

@testable import SecureChannels

/// A limit on what the streams of a QUIC connection send, on a link with a clock of its own.
@Suite struct QUICLimitTests {
    /// Connects, and begins to send more than there will be time for.
    private func link(
        _ condition: QUICLink.Condition = .init(), limit: UInt64?, streamCount: Int = 1, byteCount: Int
    ) throws -> QUICLink {
        let link = try QUICLink(condition)
        try #require(link.establish())
        link.client.connection.limitSending(bytesPerSecond: limit, now: link.now)
        for _ in 0..<streamCount {
            let stream = try #require(link.client.connection.openStream())
            link.client.write([UInt8](repeating: 7, count: byteCount / streamCount), to: stream)
        }
        return link
    }

    private func receivedByteCount(_ link: QUICLink) -> Int { link.server.received.values.reduce(0) { $0 + $1.count } }

    /// Delays, losses and competition for the link's queue included, the bytes of the streams come at that rate.
    @Test(
        arguments: [
            (10_000, .init(), 10), (1_000_000, .init(), 10), (5_000_000, .init(delay: 50_000_000), 10),
            (1_000_000, .init(delay: 50_000_000, loss: 0.01), 20), (2_000_000, .init(delay: 500_000), 10),
        ] as [(UInt64, QUICLink.Condition, UInt64)])
    func bytesComeAtTheLimit(limit: UInt64, condition: QUICLink.Condition, seconds: UInt64) throws {
        let link = try link(condition, limit: limit, byteCount: Int(limit * (seconds + 2)))
        // Until the congestion window is large enough.
        link.run(seconds: 1)
        let before = receivedByteCount(link)
        link.run(seconds: Double(seconds))
        let rate = Double(receivedByteCount(link) - before) / Double(seconds)
        print("QUIC LIMIT \(limit) B/s: \(rate) B/s, delay \(condition.delay / 1_000_000) ms, loss \(condition.loss)")
        #expect(abs(rate / Double(limit) - 1) < 0.05, "\(rate)")
    }

    /// It is a flow: within each tenth of a second there is about a tenth of what comes in a second, but where BBR measures
    /// the round trip.
    @Test func bytesComeEvenly() throws {
        let link = try link(limit: 2_000_000, byteCount: 14_000_000)
        link.run(seconds: 1)
        var before = receivedByteCount(link)
        var unevenCount = 0
        for _ in 0..<50 {
            link.run(seconds: 0.1)
            let byteCount = receivedByteCount(link) - before
            before += byteCount
            // What may be made up for is 50 ms worth.
            #expect(byteCount < 320_000)
            if !(180_000...220_000).contains(byteCount) { unevenCount += 1 }
        }
        #expect(unevenCount <= 6)
    }

    @Test func streamsShareTheLimit() throws {
        let link = try link(limit: 1_000_000, streamCount: 5, byteCount: 15_000_000)
        link.run(seconds: 10)
        let counts = link.server.received.values.map(\.count)
        #expect(counts.count == 5)
        #expect(abs(counts.reduce(0, +) - 10_000_000) < 500_000)
        for count in counts { #expect(count > 1_500_000, "\(counts)") }
    }

    /// The peer's direction has nothing to do with it: neither its data nor our acknowledgements wait.
    @Test func otherDirectionIsNotHeldBack() throws {
        let link = try link(limit: 10_000, byteCount: 1_000_000)
        let stream = try #require(link.server.connection.openStream())
        let content = pattern(2_500_000)
        link.server.write(content, to: stream)
        let start = link.now
        #expect(link.run(seconds: 10) { link.client.received[stream.id]?.count == content.count })
        // The link takes 25 MB a second.
        #expect(link.now - start < 600_000_000)
        #expect(link.server.received.values.allSatisfy { $0.count < 40_000 })
    }

    /// A limit may come, change and go while bytes are on their way.
    @Test func limitMayChange() throws {
        var condition = QUICLink.Condition()
        condition.rate = 5_000_000
        let link = try link(condition, limit: nil, byteCount: 30_000_000)
        link.run(seconds: 0.2)
        for limit: UInt64 in [500_000, 2_000_000, 100_000] {
            link.client.connection.limitSending(bytesPerSecond: limit, now: link.now)
            // What was sent before is on its way still.
            link.run(seconds: 0.5)
            let before = receivedByteCount(link)
            link.run(seconds: 4)
            let rate = Double(receivedByteCount(link) - before) / 4
            #expect(abs(rate / Double(limit) - 1) < 0.05, "\(rate) instead of \(limit)")
        }
        link.client.connection.limitSending(bytesPerSecond: nil, now: link.now)
        let before = receivedByteCount(link)
        link.run(seconds: 1)
        #expect(receivedByteCount(link) - before > 3_000_000)
    }

    /// The end of a stream, and a message after a silence, are not held back.
    @Test func whatIsSmallGoesAtOnce() throws {
        let link = try QUICLink()
        try #require(link.establish())
        link.client.connection.limitSending(bytesPerSecond: 1000, now: link.now)
        link.run(seconds: 5)
        let stream = try #require(link.client.connection.openStream())
        let start = link.now
        link.client.write([UInt8](repeating: 1, count: 1300), to: stream)
        link.client.connection.end(stream)
        #expect(link.run(seconds: 10) { link.server.ended.contains(stream.id) })
        #expect(link.now - start < 50_000_000)
    }

    /// A path with a limit far below what it could carry lives on.
    @Test func slowestConnectionLives() throws {
        let link = try link(limit: 1000, byteCount: 100_000)
        link.run(seconds: 60)
        #expect(link.client.closeReason == nil && link.server.closeReason == nil)
        #expect(abs(receivedByteCount(link) - 60_000) < 3000)
    }
}
