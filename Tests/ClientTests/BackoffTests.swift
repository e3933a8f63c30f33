import TestSupport
import Testing

@testable import Client

@Suite struct BackoffTests {
    @Test func theLimitDoublesUpToAMinute() {
        var random = SeededRandom(seed: 5)
        var longest = [Duration](repeating: .zero, count: 10)
        for _ in 0..<500 {
            var backoff = Backoff()
            for attempt in longest.indices {
                longest[attempt] = max(longest[attempt], backoff.next(using: &random))
            }
        }
        for (limit, longest) in zip([1.0, 2, 4, 8, 16, 32, 60, 60, 60, 60], longest) {
            #expect(longest <= .seconds(limit))
            #expect(longest > .seconds(limit * 0.95))
        }
    }

    @Test func successForgetsTheFailures() {
        var random = SeededRandom(seed: 5)
        var backoff = Backoff()
        for _ in 0..<10 { _ = backoff.next(using: &random) }
        backoff.reset()
        #expect(backoff.next(using: &random) <= .seconds(1))
    }
}
