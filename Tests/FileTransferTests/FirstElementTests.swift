import Synchronization
import Testing

@testable import FileTransfer

/// The first element of a stream, unless something else comes before it.
@Suite struct FirstElementTests {
    @Test func theFirstIsReturned() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
        for number in 1...2 { continuation.yield(number) }
        let first = try await stream.first {
            try await Task.sleep(for: .seconds(600))
        } late: {
            Issue.record("\($0)")
        }
        #expect(first == 1)
    }

    @Test func theEndComesFirst() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
        #expect(
            try await stream.first {
            } late: {
                Issue.record("\($0)")
            } == nil)
        continuation.finish()
        let ended = try await stream.first {
            try await Task.sleep(for: .seconds(600))
        } late: {
            Issue.record("\($0)")
        }
        #expect(ended == nil)
    }

    /// Whoever the element comes from waits for an answer, whichever of the two is faster.
    @Test(arguments: [false, true]) func anElementThatComesWithTheEndIsNotLost(isCancelled: Bool) async throws {
        for round in 0..<2000 {
            let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
            let late = Mutex<[Int]>([])
            let waiting = Task {
                try await stream.first {
                    if isCancelled { try await Task.sleep(for: .seconds(600)) }
                } late: { element in
                    late.withLock { $0.append(element) }
                }
            }
            if isCancelled { Task { waiting.cancel() } }
            let isTaken = if case .enqueued = continuation.yield(round) { true } else { false }
            continuation.finish()
            var seen: [Int] = []
            if case .success(let element?) = await waiting.result { seen.append(element) }
            seen += late.withLock { $0 }
            for await element in stream { seen.append(element) }
            #expect(seen == (isTaken ? [round] : []))
        }
    }
}
