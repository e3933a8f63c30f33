import Testing

@testable import Client

@Suite struct OneShotTests {
    @Test func theFirstValueCounts() async throws {
        let shot = OneShot<Int>()
        #expect(shot.current == nil)
        #expect(shot.fulfil(1))
        #expect(!shot.fulfil(2))
        #expect(shot.current == 1)
        #expect(try await shot.value == 1)
    }

    @Test func allWhoWaitGetIt() async throws {
        let shot = OneShot<Int>()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<50 { group.addTask { try await shot.value } }
            group.addTask {
                shot.fulfil(7)
                return 7
            }
            for try await value in group { #expect(value == 7) }
        }
    }

    @Test func waitingCanBeCancelled() async throws {
        let shot = OneShot<Int>()
        for _ in 0..<50 {
            let cancelled = Task { try await shot.value }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
        }
        // The others still get the value.
        let other = Task { try await shot.value }
        shot.fulfil(3)
        #expect(try await other.value == 3)
    }
}
