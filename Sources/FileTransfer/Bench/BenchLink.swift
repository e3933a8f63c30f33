internal import Jingle
internal import Synchronization
internal import Transports

/// The streams of a measurement, and what has come over them.
///
/// The first stream carries everything but filling; it carries that too where there can be no others.
final class BenchLink: Sendable {
    /// What has happened.
    enum Event: Sendable {
        /// The peer says something.
        case frame(BenchFrame)
        /// A ping was answered after that time.
        case pong(after: Duration)
        /// All filling of a phase has arrived, as ``BenchLink/hasArrived`` says too.
        case arrived
        /// All filling of the phase has been written.
        case written
        /// The peer has opened another stream.
        case streamAdded
    }

    /// How many events may wait for their reader.
    private static let eventLimit = 1024
    /// How much filling may come before the phase is known to which it belongs: it may overtake what is said on the first
    /// stream.
    private static let earlyByteCountLimit: UInt64 = 64 << 20
    /// How many pings may be unanswered.
    private static let pingLimit = 16

    private struct State {
        var others: [BenchChannel] = []
        var byteCount: UInt64 = 0
        var firstByte: ContinuousClock.Instant?
        var endCount = 0
        var isReceiving = false
        var pings: [UInt64: ContinuousClock.Instant] = [:]
        var nextPing: UInt64 = 0
    }

    let connection: any PeerConnection
    let events = Mailbox<Event>(limit: eventLimit)
    private let first: BenchChannel
    private let blocks = BlockPool()
    private let filling: BenchFilling
    private let state = Mutex(State())
    private let added = AsyncStream.makeStream(of: BenchChannel.self)

    init(_ connection: any PeerConnection, first stream: any ByteStream) {
        self.connection = connection
        filling = BenchFilling(blocks)
        first = BenchChannel(stream, filling: filling, blocks: blocks)
    }

    /// How many streams there are beside the first.
    var otherCount: Int { state.withLock { $0.others.count } }

    /// Adds a stream for filling.
    func add(_ stream: any ByteStream) {
        let channel = BenchChannel(stream, filling: filling, blocks: blocks)
        state.withLock { $0.others.append(channel) }
        added.continuation.yield(channel)
    }

    /// Carries the streams until the peer ends the first one, or one breaks off.
    ///
    /// - Throws: `ByteStreamError`, `TransferError`, `CancellationError`.
    func run() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await self.run(self.first)
                return true
            }
            group.addTask {
                try await withThrowingDiscardingTaskGroup { others in
                    for await channel in self.added.stream {
                        others.addTask { try await self.run(channel) }
                    }
                }
                return false
            }
            for try await isOver in group where isOver { return }
        }
    }

    private func run(_ channel: BenchChannel) async throws {
        try await channel.run { sending in
            guard sending.noteEnd() == self.fillingChannels.count else { return }
            // A full mailbox has more than one reader can want; the phase then ends by its time limit.
            self.events.put(.written)
        } take: {
            try self.take($0, from: channel)
        }
    }

    private var fillingChannels: [BenchChannel] {
        state.withLock { $0.others.isEmpty ? [first] : $0.others }
    }

    // MARK: Saying

    /// Tells the peer something.
    func say(_ frame: BenchFrame) throws(TransferError) { try first.send(frame) }

    /// Asks the peer for an answer, unless it owes many.
    func ping() throws(TransferError) {
        let number: UInt64? = state.withLock { state in
            guard state.pings.count < Self.pingLimit else { return nil }
            state.nextPing += 1
            state.pings[state.nextPing] = .now
            return state.nextPing
        }
        if let number { try say(.ping(number)) }
    }

    /// Fills all streams that are for it.
    func fill(_ sending: BenchSending) {
        for channel in fillingChannels { channel.fill(sending) }
    }

    /// More may be sent, or nothing any more.
    func noteAllowance() {
        for channel in fillingChannels { channel.wake() }
    }

    // MARK: What comes

    /// Begins to count what arrives; some of it may be there already.
    func beginReceiving() { state.withLock { $0.isReceiving = true } }

    /// What has arrived of the phase; `nil` before the first byte.
    func arrival(at now: ContinuousClock.Instant) -> BenchSample? {
        state.withLock { state in
            state.firstByte.map { BenchSample(time: now - $0, byteCount: state.byteCount) }
        }
    }

    /// Whether all filling of the phase has arrived.
    var hasArrived: Bool { state.withLock { $0.endCount >= max(1, $0.others.count) } }

    /// Counts from the beginning again, for the next phase.
    func endReceiving() {
        state.withLock { state in
            state.isReceiving = false
            state.byteCount = 0
            state.firstByte = nil
            state.endCount = 0
        }
    }

    private func take(_ event: BenchFrameParser.Event, from channel: BenchChannel) throws {
        switch event {
        case .data(let byteCount): try take(byteCount: byteCount)
        case .frame(.ping(let number)): try channel.send(.pong(number))
        case .frame(.pong(let number)):
            guard let asked = state.withLock({ $0.pings.removeValue(forKey: number) }) else {
                throw TransferError.protocolViolation("it answers what was not asked")
            }
            try post(.pong(after: .now - asked))
        case .frame(.end):
            let isLast = state.withLock { state in
                state.endCount += 1
                return state.endCount == max(1, state.others.count)
            }
            if isLast { try post(.arrived) }
        case .frame(let frame): try post(.frame(frame))
        }
    }

    private func take(byteCount: Int) throws(TransferError) {
        let isExpected = state.withLock { state in
            if state.firstByte == nil { state.firstByte = .now }
            state.byteCount += UInt64(byteCount)
            return state.isReceiving || state.byteCount <= Self.earlyByteCountLimit
        }
        guard isExpected else { throw .protocolViolation("it sends what nobody asked for") }
    }

    private func post(_ event: Event) throws(TransferError) {
        guard events.put(event) else { throw .protocolViolation("it says more than can be heard") }
    }
}
