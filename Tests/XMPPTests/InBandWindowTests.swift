import Testing
import XMPP

/// The window against a server that passes so many bytes a second, with a virtual clock.
struct InBandWindowTests {
    private struct Link {
        var window = InBandWindow(blockSize: 8192)
        var now = ContinuousClock.now
        var queue: [(ticket: InBandWindow.Ticket, due: ContinuousClock.Instant)] = []
        var serverFree = ContinuousClock.now
        let bytesPerSecond: Double
        let roundTrip: Duration
        /// How many bytes pass at once at first.
        var burst = 0.0
        var longestWait = Duration.zero
        var highest = 0

        init(bytesPerSecond: Double, roundTrip: Duration, burst: Double = 0) {
            self.bytesPerSecond = bytesPerSecond
            self.roundTrip = roundTrip
            self.burst = burst
        }

        /// Sends for that time as much as the window permits. Returns how many bytes came through.
        mutating func run(for duration: Duration) -> Int {
            let end = now + duration
            var delivered = 0
            longestWait = .zero
            highest = 0
            while now < end {
                while case let size = window.nextBlockByteCount, size > 0 {
                    let ticket = window.send(byteCount: size, hasMore: true, at: now)
                    // Base64 and the stanza around it count too.
                    let cost = Double(size * 4 / 3 + 250)
                    let paid = min(cost, burst)
                    burst -= paid
                    serverFree = max(serverFree, now) + .seconds((cost - paid) / bytesPerSecond)
                    queue.append((ticket, serverFree + roundTrip))
                    longestWait = max(longestWait, serverFree - now)
                    highest = max(highest, window.byteCount)
                }
                let next = queue.removeFirst()
                now = next.due
                delivered += next.ticket.byteCount
                window.acknowledge(next.ticket, at: now)
            }
            return delivered
        }

        /// Waits for all acknowledgements.
        mutating func drain() {
            for (ticket, due) in queue {
                now = due
                window.acknowledge(ticket, at: now)
            }
            queue = []
        }
    }

    /// Prosody's mod_limits: 10 kB a second after a burst. Whatever else is sent soon waits no longer than about a second.
    @Test func aSlowServerStaysResponsive() {
        var link = Link(bytesPerSecond: 10_000, roundTrip: .milliseconds(2), burst: 20_000)
        _ = link.run(for: .seconds(20))
        let delivered = link.run(for: .seconds(60))
        #expect(link.longestWait < .milliseconds(1600))
        // The server's whole rate is used all the same.
        #expect(delivered > 60 * 6500)
    }

    @Test func theStartDoesNotFloodASlowServer() {
        var link = Link(bytesPerSecond: 10_000, roundTrip: .milliseconds(50), burst: 20_000)
        _ = link.run(for: .seconds(10))
        #expect(link.highest <= 80_000)
    }

    @Test(arguments: [1, 20, 150, 600])
    func aFastServerIsUsed(roundTripMilliseconds: Int) {
        var link = Link(bytesPerSecond: 100_000_000, roundTrip: .milliseconds(roundTripMilliseconds))
        _ = link.run(for: .seconds(15))
        #expect(link.highest <= InBandWindow.maximumByteCount)
        let rate = link.run(for: .seconds(10)) / 10
        let possible = InBandWindow.maximumByteCount * 1000 / roundTripMilliseconds
        #expect(rate > min(possible, 70_000_000) * 8 / 10)
    }

    /// The rate of a sender that has little to say is not the server's.
    @Test func pausesDoNotShrinkTheWindow() {
        var link = Link(bytesPerSecond: 100_000_000, roundTrip: .milliseconds(50))
        _ = link.run(for: .seconds(5))
        link.drain()
        for _ in 0..<100 {
            let ticket = link.window.send(byteCount: 10, hasMore: false, at: link.now)
            link.now += .milliseconds(50)
            link.window.acknowledge(ticket, at: link.now)
        }
        _ = link.run(for: .milliseconds(200))
        #expect(link.highest > InBandWindow.maximumByteCount * 9 / 10)
    }

    @Test func noMoreThanSoManyBlocksAreUnderWay() {
        var window = InBandWindow(blockSize: 100)
        var now = ContinuousClock.now
        for _ in 0..<100 {
            var tickets: [InBandWindow.Ticket] = []
            while window.nextBlockByteCount > 0 {
                tickets.append(window.send(byteCount: 100, hasMore: true, at: now))
            }
            #expect(tickets.count <= InBandWindow.maximumBlockCount)
            now += .microseconds(100)
            for ticket in tickets { window.acknowledge(ticket, at: now) }
            #expect(window.byteCount == 0)
        }
        #expect(window.roundTripTime == .microseconds(100))
    }

    @Test func oneBlockIsAlwaysPermitted() {
        var window = InBandWindow(blockSize: 65535)
        var now = ContinuousClock.now
        for _ in 0..<10 {
            let size = window.nextBlockByteCount
            #expect(size >= InBandWindow.minimumBlockSize)
            let ticket = window.send(byteCount: size, hasMore: true, at: now)
            now += .seconds(50)
            window.acknowledge(ticket, at: now)
        }
    }
}
