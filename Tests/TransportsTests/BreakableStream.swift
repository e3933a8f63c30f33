import Synchronization
import Transports

/// One end of a stream in memory that holds little, hands bytes out in pieces of any size, and can be broken, after which
/// some of what was under way still arrives and the rest is lost.
final class BreakableStream: ByteStream {
    private actor Direction {
        static let limit = 50_000
        private var bytes: [UInt8] = []
        private var isEnded = false
        private var error: ByteStreamError?
        private var waiters: [CheckedContinuation<Void, Never>] = []
        private var random: any RandomNumberGenerator & Sendable
        private let pool = BlockPool(blockByteCount: Direction.limit, keep: 8)

        init(_ random: any RandomNumberGenerator & Sendable) { self.random = random }

        func write(_ block: Block) async throws {
            while error == nil, bytes.count >= Self.limit { try await change() }
            if let error { throw error }
            bytes += block.bytes
            wake()
        }

        func finish() throws {
            if let error { throw error }
            isEnded = true
            wake()
        }

        func read() async throws -> Block? {
            while bytes.isEmpty, !isEnded, error == nil { try await change() }
            guard !bytes.isEmpty else {
                if isEnded { return nil }
                throw error ?? .closed("")
            }
            let count = Int.random(in: 1...min(bytes.count, Self.limit), using: &random)
            let block = pool.take()
            block.storage.copyBytes(from: bytes[..<count])
            block.count = count
            bytes.removeFirst(count)
            wake()
            return block
        }

        func fail(_ error: ByteStreamError) {
            guard self.error == nil else { return }
            self.error = error
            let isReset = if case .reset = error { true } else { false }
            bytes.removeLast(isReset ? bytes.count : Int.random(in: 0...bytes.count, using: &random))
            wake()
        }

        private func change() async throws {
            await withTaskCancellationHandler {
                await withCheckedContinuation { if Task.isCancelled { $0.resume() } else { waiters.append($0) } }
            } onCancel: {
                Task { await self.wake() }
            }
            try Task.checkCancellation()
        }

        private func wake() {
            for waiter in waiters { waiter.resume() }
            waiters = []
        }
    }

    private let incoming: Direction
    private let outgoing: Direction
    /// How many bytes both directions may carry before they break.
    private let budget: Budget

    private final class Budget: Sendable {
        let left: Mutex<Int?>
        init(_ left: Int?) { self.left = Mutex(left) }
        /// Whether it is used up with this.
        func take(_ count: Int) -> Bool {
            left.withLock { left in
                guard let now = left else { return false }
                left = now - count
                return now - count < 0
            }
        }
    }

    private init(_ incoming: Direction, _ outgoing: Direction, _ budget: Budget) {
        self.incoming = incoming
        self.outgoing = outgoing
        self.budget = budget
    }

    /// - Parameter limit: how many bytes may be written before the stream breaks, if it does.
    static func pair(
        breakingAfter limit: Int?, _ random: some RandomNumberGenerator & Sendable
    ) -> (BreakableStream, BreakableStream) {
        let (one, other, budget) = (Direction(random), Direction(random), Budget(limit))
        return (BreakableStream(one, other, budget), BreakableStream(other, one, budget))
    }

    let unacknowledgedByteCount = 0
    func read() async throws -> Block? { try await incoming.read() }

    func write(_ block: Block) async throws {
        if budget.take(block.count) { await fail(.pathLost("it broke")) }
        try await outgoing.write(block)
    }

    func flush() async throws {}
    func finish() async throws { try await outgoing.finish() }

    func reset(code: UInt64) { Task { await fail(.reset(code: code)) } }

    /// Breaks both directions.
    func fail(_ error: ByteStreamError) async {
        await outgoing.fail(error)
        await incoming.fail(error)
    }
}
