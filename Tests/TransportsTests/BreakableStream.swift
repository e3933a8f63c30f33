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
    private let budget: Budget

    /// How many bytes one or more streams may carry in both directions before they all break.
    final class Budget: Sendable {
        private struct State {
            var left: Int?
            var streams: [BreakableStream] = []
        }

        private let state: Mutex<State>
        private let onBreak: @Sendable () -> Void

        init(_ left: Int?, onBreak: @escaping @Sendable () -> Void = {}) {
            state = Mutex(State(left: left))
            self.onBreak = onBreak
        }

        /// Whether it is used up.
        var isUsedUp: Bool { state.withLock { ($0.left ?? 0) < 0 } }

        fileprivate func add(_ stream: BreakableStream) { state.withLock { $0.streams.append(stream) } }

        fileprivate func take(_ count: Int) async {
            let broken = state.withLock { state -> [BreakableStream]? in
                guard let now = state.left else { return nil }
                state.left = now - count
                return now - count < 0 ? state.streams : nil
            }
            guard let broken else { return }
            onBreak()
            for stream in broken { await stream.fail(.pathLost("it broke")) }
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
        pair(Budget(limit), random)
    }

    /// The same, with what several streams may carry together.
    static func pair(
        _ budget: Budget, _ random: some RandomNumberGenerator & Sendable
    ) -> (BreakableStream, BreakableStream) {
        let (one, other) = (Direction(random), Direction(random))
        let pair = (BreakableStream(one, other, budget), BreakableStream(other, one, budget))
        budget.add(pair.0)
        return pair
    }

    let unacknowledgedByteCount = 0
    func read() async throws -> Block? { try await incoming.read() }

    func write(_ block: Block) async throws {
        await budget.take(block.count)
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
