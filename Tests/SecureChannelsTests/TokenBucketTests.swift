import TestSupport
import Testing

@testable import SecureChannels

/// A limit on what goes, with a clock of its own.
@Suite struct TokenBucketTests {
    private static let second: UInt64 = 1_000_000_000
    static let rates: [UInt64] = [1000, 10_000, 1_000_000, 20_000_000, 100_000_000, 1_000_000_000_000]

    /// Sends all that may go, in pieces of at most that, whenever something may, for some time; returns how much that is,
    /// and the largest amount that went at once.
    private func send(
        _ bucket: inout TokenBucket, from start: UInt64, seconds: UInt64, piece: Int = .max,
        lateness: (Int) -> UInt64 = { _ in 0 }
    ) -> (byteCount: Int, burst: Int, wakeCount: Int) {
        var (now, byteCount, burst, count) = (start, 0, 0, 0)
        while now < start + seconds * Self.second {
            var portion = 0
            while case let allowance = bucket.allowance(at: now), allowance > 0 {
                let size = piece == .max ? allowance : piece
                bucket.take(size)
                portion += size
            }
            byteCount += portion
            burst = max(burst, portion)
            let due = bucket.wait()
            #expect(due > now)
            now = due + lateness(count)
            count += 1
        }
        return (byteCount, burst, count)
    }

    @Test(arguments: rates, [Int.max, 1300, 8192, 65_536])
    func rateHoldsWhateverTheSizeOfThePieces(rate: UInt64, piece: Int) {
        var bucket = TokenBucket(bytesPerSecond: rate, now: 7)
        let seconds: UInt64 = rate < 20_000 ? 1000 : 2
        let piece = rate > 1_000_000_000 ? max(piece, 1_000_000) : piece
        let (byteCount, burst, wakeCount) = send(&bucket, from: 7, seconds: seconds, piece: piece)
        let expected = Double(rate * seconds)
        // The first portion comes at once, and the last piece may be larger than what was left.
        let slack = Double(burst) * 2 + 1400
        #expect(abs(Double(byteCount) - expected) <= slack, "\(byteCount) instead of \(expected)")
        if piece == .max {
            // Four milliseconds' worth, or what it takes to be worth the trouble.
            #expect(Double(burst) <= max(1400, Double(rate) / 250) + 1)
            #expect(Double(wakeCount) <= expected / 1400 + 2)
        }
    }

    /// A thread that wakes up to 240 ms late catches up with what it has missed.
    @Test(arguments: [1_000_000, 20_000_000, 100_000_000] as [UInt64])
    func latenessCostsNothing(rate: UInt64) {
        var bucket = TokenBucket(bytesPerSecond: rate, now: 0)
        var generator = SeededRandom(seed: 3)
        let (byteCount, _, _) = send(&bucket, from: 0, seconds: 20) { _ in
            UInt64.random(in: 0..<240_000_000, using: &generator)
        }
        #expect(abs(Double(byteCount) / Double(rate * 20) - 1) < 0.015)
    }

    /// However long nothing went, what follows at once is 50 ms worth.
    @Test(arguments: rates)
    func silenceIsNotSavedUp(rate: UInt64) {
        var bucket = TokenBucket(bytesPerSecond: rate, now: 0)
        let allowance = bucket.allowance(at: 3600 * Self.second)
        #expect(allowance == max(1400, Int(rate / 20)))
        bucket.take(allowance)
        #expect(bucket.allowance(at: 3600 * Self.second) == 0)
    }

    /// Nor for whoever has waited for the whole time.
    @Test func muchIsNotSavedUpForTheLatestEither() {
        var bucket = TokenBucket(bytesPerSecond: 1_000_000, now: 0)
        bucket.take(4000)
        #expect(bucket.allowance(at: 0) == 0)
        _ = bucket.wait()
        #expect(bucket.allowance(at: 60 * Self.second) == 250_000)
    }

    @Test func reserveIsAsLargeAsWanted() {
        var bucket = TokenBucket(bytesPerSecond: 1_000_000, reserve: .milliseconds(250), now: 0)
        #expect(bucket.allowance(at: 60 * Self.second) == 250_000)
    }

    /// Once all is gone there is a pause until a whole portion is there: nothing goes in drops.
    @Test func nothingGoesBeforeItIsDue() {
        var bucket = TokenBucket(bytesPerSecond: 1_000_000, now: 0)
        #expect(bucket.allowance(at: 0) == 4000)
        bucket.take(4000)
        for now in stride(from: 0, to: UInt64(4_000_000), by: 500_000) {
            #expect(bucket.allowance(at: now) == 0)
            #expect(bucket.wait() == 4_000_000)
        }
        #expect(bucket.allowance(at: 4_000_000) == 4000)
        // A portion may go in pieces, and does not grow meanwhile.
        for left in stride(from: 3900, through: 100, by: -100) {
            bucket.take(100)
            #expect(bucket.allowance(at: 4_000_000 + UInt64(4000 - left) * 1000) == left)
        }
        bucket.take(100)
        #expect(bucket.allowance(at: 7_999_000) == 0)
        #expect(bucket.allowance(at: 8_000_000) == 4000)
    }

    /// A piece that is too large is paid for by those that follow.
    @Test func whatIsTooMuchIsMissingLater() {
        var bucket = TokenBucket(bytesPerSecond: 1_000_000, now: 0)
        bucket.take(1_004_000)
        #expect(bucket.allowance(at: Self.second) == 0)
        #expect(bucket.wait() == Self.second + 4_000_000)
    }

    /// A clock that is read by somebody else a little earlier takes nothing away.
    @Test func timeMayStandStill() {
        var bucket = TokenBucket(bytesPerSecond: 1_000_000, now: 5_000_000)
        #expect(bucket.allowance(at: 1) == 4000)
    }
}
