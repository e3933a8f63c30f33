internal import Jingle
internal import SecureChannels
internal import Synchronization

/// Holds the readers of a connection to a rate, all streams together.
///
/// It is for a peer that cannot be told how fast to send, or does not heed it: what is not read holds it back by the
/// carrier's flow control, once the buffers on the way are full. A peer that sends at the limit asked for is not held back.
final class ReadingPace: Sendable {
    /// The rate is somewhat larger than the limit, and what comes in a lump after a silence is not held back either.
    private static let excess = 1.02
    private static let reserve = Duration.milliseconds(250)

    private let start = ContinuousClock.now
    private let bucket: Mutex<TokenBucket>

    init(_ limit: RateLimit) {
        bucket = Mutex(
            TokenBucket(
                bytesPerSecond: UInt64(Double(limit.bytesPerSecond) * Self.excess), reserve: Self.reserve, now: 0))
    }

    /// Waits until a block may be read.
    ///
    /// - Throws: `CancellationError`.
    func wait() async throws {
        while case let due = bucket.withLock({ $0.allowance(at: now) > 0 ? nil : $0.wait() }), let due {
            try await Task.sleep(until: start + .nanoseconds(Int64(clamping: due)))
        }
    }

    /// Notes a block that was read.
    func take(_ byteCount: Int) { bucket.withLock { $0.take(byteCount) } }

    private var now: UInt64 { (ContinuousClock.now - start).nanoseconds }

    /// A stream whose reader is held to the rate.
    final class Stream: ByteStream {
        private let base: any ByteStream
        private let pace: ReadingPace

        init(_ base: any ByteStream, _ pace: ReadingPace) {
            self.base = base
            self.pace = pace
        }

        func read() async throws -> Block? {
            try await pace.wait()
            guard let block = try await base.read() else { return nil }
            pace.take(block.count)
            return block
        }

        var unacknowledgedByteCount: Int { base.unacknowledgedByteCount }
        func write(_ block: Block) async throws { try await base.write(block) }
        func flush() async throws { try await base.flush() }
        func finish() async throws { try await base.finish() }
        func reset(code: UInt64) { base.reset(code: code) }
    }
}
