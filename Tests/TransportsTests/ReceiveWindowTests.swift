import Testing

@testable import Transports

/// How much the peer may send on a stream, as its reader takes what comes.
struct ReceiveWindowTests {
    private static let first = 512 << 10
    private let start = ContinuousClock.now

    /// Lets a reader take 16 KiB at a time at a rate, and returns how large the window becomes in 20 s.
    private func window(
        bytesPerSecond: Int, roundTrip: Duration?, of allowance: WindowAllowance = WindowAllowance()
    ) -> ReceiveWindow {
        if let roundTrip { allowance.note(roundTrip: roundTrip) }
        var window = ReceiveWindow(of: Self.first, within: allowance, now: start)
        let stepByteCount = 16 << 10
        var granted = Self.first
        var taken = 0
        var now = start
        while now < start + .seconds(20) {
            // No faster than a window for each round trip.
            let rate = roundTrip.map { min(bytesPerSecond, window.byteCount * 1000 / Int($0 / .milliseconds(1))) }
            taken += stepByteCount
            now = now + .nanoseconds(Int64(stepByteCount) * 1_000_000_000 / Int64(rate ?? bytesPerSecond))
            granted += window.take(stepByteCount, now: now) ?? 0
        }
        // The peer may have what was not taken, and no more than the window.
        #expect(granted - taken <= window.byteCount)
        #expect(granted - taken > window.byteCount / 2)
        return window
    }

    /// 200 Mbit/s and 100 ms: 2.5 MB are on the way.
    @Test func growsToWhatThePathHolds() {
        let window = window(bytesPerSecond: 25_000_000, roundTrip: .milliseconds(100))
        #expect(window.byteCount >= 2_500_000 && window.byteCount <= 4 * 2_500_000)
    }

    @Test func doesNotGrowForASlowReader() {
        #expect(window(bytesPerSecond: 1_000_000, roundTrip: .milliseconds(100)).byteCount == 512 << 10)
    }

    @Test func doesNotGrowWhileTheRoundTripIsUnknown() {
        #expect(window(bytesPerSecond: 25_000_000, roundTrip: nil).byteCount == 512 << 10)
    }

    /// 1 Gbit/s on a LAN, where other things than the path take their time.
    @Test func growsToWhatTheProcessesHold() {
        let allowance = WindowAllowance(leastInterval: .milliseconds(20))
        let window = window(bytesPerSecond: 125_000_000, roundTrip: .milliseconds(1), of: allowance)
        #expect(window.byteCount >= 2_500_000 && window.byteCount <= 2 * 2_500_000)
    }

    @Test func hasALimit() {
        #expect(window(bytesPerSecond: 1_000_000_000, roundTrip: .seconds(1)).byteCount == 16 << 20)
    }

    @Test func theShortestRoundTripCounts() {
        let allowance = WindowAllowance()
        for roundTrip in [5, 2, 9] { allowance.note(roundTrip: .milliseconds(roundTrip)) }
        #expect(allowance.roundTrip == .milliseconds(2))
    }

    /// All windows share what they grow by, and give it back.
    @Test func growthIsShared() {
        let allowance = WindowAllowance(byteCount: 20 << 20)
        var first = window(bytesPerSecond: 1_000_000_000, roundTrip: .seconds(1), of: allowance)
        let second = window(bytesPerSecond: 1_000_000_000, roundTrip: .seconds(1), of: allowance)
        #expect(first.byteCount == 16 << 20)
        #expect(second.byteCount == (20 << 20) - (16 << 20) + 2 * (512 << 10))
        first.close()
        #expect(first.byteCount == 512 << 10)
        first.close()
        #expect(window(bytesPerSecond: 1_000_000_000, roundTrip: .seconds(1), of: allowance).byteCount == 16 << 20)
    }
}
