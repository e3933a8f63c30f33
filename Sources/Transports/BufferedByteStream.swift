internal import Synchronization

/// What carries the bytes of streams, on a thread of its own.
protocol ByteStreamCarrier: AnyObject, Sendable {
    /// How many consumed bytes are worth waking the thread for.
    var creditThreshold: Int { get }

    /// Tells the thread that a stream has work for it.
    func enqueue(_ stream: BufferedByteStream)
}

/// A stream between the tasks that use it and the thread that carries its bytes, with a bounded buffer each way.
///
/// Cancelling a read or a write leaves the stream usable; whoever gives a stream up calls ``reset(code:)``.
public final class BufferedByteStream: ByteStream {
    /// What the carrier's thread must do for a stream.
    struct Work {
        var blocks: [Block] = []
        var creditByteCount = 0
        var endsNow = false
        var resetCode: UInt64?
    }

    private typealias Continuation = CheckedContinuation<Void, any Error>

    /// What a task can wait for.
    private enum Wish {
        case read
        case write
        case flush
        case finish
    }

    private struct Waiters {
        var read: Continuation?
        var write: Continuation?
        var flush: Continuation?
        var finish: Continuation?

        subscript(wish: Wish) -> Continuation? {
            get {
                switch wish {
                case .read: read
                case .write: write
                case .flush: flush
                case .finish: finish
                }
            }
            set {
                switch wish {
                case .read: read = newValue
                case .write: write = newValue
                case .flush: flush = newValue
                case .finish: finish = newValue
                }
            }
        }
    }

    private struct State {
        var isDirty = false
        var waiters = Waiters()

        var outgoing: [Block] = []
        var bufferedByteCount = 0
        var isEndRequested = false
        var isEndHandedOver = false
        var isSendFinished = false
        var sendError: ByteStreamError?

        var incoming: [Block] = []
        var incomingIndex = 0
        var hasPartial = false
        var isEnd = false
        var receiveError: ByteStreamError?
        var creditByteCount = 0

        var resetCode: UInt64?
        var isResetHandedOver = false
    }

    /// The identifier of the stream to its carrier.
    let id: Int64

    private let state = Mutex(State())
    private let carrier: any ByteStreamCarrier
    /// A write waits above this, and goes on when the buffer is below the second figure.
    private let highWater: Int
    private let lowWater: Int

    /// Creates a stream.
    ///
    /// - Parameter highWater: how many written bytes may wait for their acknowledgement.
    init(id: Int64, carrier: any ByteStreamCarrier, highWater: Int = 24 << 20) {
        self.id = id
        self.carrier = carrier
        self.highWater = highWater
        lowWater = highWater - highWater / 12
    }

    // MARK: ByteStream

    /// Returns the next bytes, or `nil` at the end.
    public func read() async throws -> Block? {
        while true {
            try Task.checkCancellation()
            enum Step {
                case block(Block, needsLoop: Bool)
                case end
                case fail(ByteStreamError)
                case wait
            }
            let step: Step = state.withLock { state in
                if state.incomingIndex < state.incoming.count {
                    let block = state.incoming[state.incomingIndex]
                    state.incomingIndex += 1
                    if state.incomingIndex == state.incoming.count {
                        state.incoming.removeAll(keepingCapacity: true)
                        state.incomingIndex = 0
                    } else if state.incomingIndex >= 64 {
                        state.incoming.removeFirst(state.incomingIndex)
                        state.incomingIndex = 0
                    }
                    state.creditByteCount += block.count
                    let isLast = state.incoming.isEmpty && (state.isEnd || state.receiveError != nil)
                    let isMuch = state.creditByteCount >= carrier.creditThreshold
                    let needsLoop = (isMuch || isLast) && !state.isDirty
                    if needsLoop { state.isDirty = true }
                    return .block(block, needsLoop: needsLoop)
                }
                if state.isEnd { return .end }
                if let error = state.receiveError { return .fail(error) }
                return .wait
            }
            switch step {
            case .block(let block, let needsLoop):
                if needsLoop { carrier.enqueue(self) }
                return block
            case .end: return nil
            case .fail(let error): throw error
            case .wait: try await waitForData()
            }
        }
    }

    /// Gives a block back that was read, to be read again.
    func putBack(_ block: Block) {
        state.withLock { state in
            state.incoming.insert(block, at: state.incomingIndex)
            state.creditByteCount -= block.count
        }
    }

    /// The bytes written that the peer has not acknowledged yet.
    public var unacknowledgedByteCount: Int { state.withLock { $0.bufferedByteCount } }

    /// Queues a block; waits while too much is unacknowledged.
    public func write(_ block: Block) async throws {
        try Task.checkCancellation()
        guard block.count > 0 else { return }
        try await waitForRoom()
        let isNew = try state.withLock { state in
            if let error = state.sendError { throw error }
            precondition(!state.isEndRequested, "write after finish")
            state.outgoing.append(block)
            state.bufferedByteCount += block.count
            defer { state.isDirty = true }
            return !state.isDirty
        }
        if isNew { carrier.enqueue(self) }
    }

    /// Waits until the peer has acknowledged everything that was written.
    public func flush() async throws {
        try await wait(.flush) { state in
            if state.bufferedByteCount == 0 { return .success(()) }
            if let error = state.sendError { return .failure(error) }
            return nil
        }
    }

    /// Ends our direction and waits until the peer has acknowledged everything.
    public func finish() async throws {
        let isNew = try state.withLock { state in
            if state.isSendFinished { return false }
            if let error = state.sendError { throw error }
            guard !state.isEndRequested else { return false }
            state.isEndRequested = true
            defer { state.isDirty = true }
            return !state.isDirty
        }
        if isNew { carrier.enqueue(self) }
        try await wait(.finish) { state in
            if state.isSendFinished { return .success(()) }
            if let error = state.sendError { return .failure(error) }
            return nil
        }
    }

    /// Aborts both directions.
    public func reset(code: UInt64) {
        let isNew = state.withLock { state in
            guard state.resetCode == nil else { return false }
            state.resetCode = code
            defer { state.isDirty = true }
            return !state.isDirty
        }
        fail(send: .reset(code: code), receive: .reset(code: code), dropsData: true)
        if isNew { carrier.enqueue(self) }
    }

    // MARK: The carrier's thread

    /// Takes what is to be done; `spare` is an empty array whose memory is used again.
    func takeWork(_ spare: inout [Block]) -> Work {
        state.withLock { state in
            state.isDirty = false
            var work = Work()
            swap(&work.blocks, &state.outgoing)
            swap(&state.outgoing, &spare)
            work.creditByteCount = state.creditByteCount
            state.creditByteCount = 0
            if state.isEndRequested, !state.isEndHandedOver {
                state.isEndHandedOver = true
                work.endsNow = true
            }
            if let code = state.resetCode, !state.isResetHandedOver {
                state.isResetHandedOver = true
                work.resetCode = code
            }
            return work
        }
    }

    /// Hands over a block that has been filled.
    func deliver(_ block: Block) {
        let waiter = state.withLock { state -> Continuation? in
            guard state.receiveError == nil else { return nil }
            state.incoming.append(block)
            state.hasPartial = false
            return state.waiters.read.take()
        }
        waiter?.resume()
    }

    /// Says that a block is being filled; whether a reader waits for it.
    func notePartial() -> Bool {
        state.withLock { state in
            state.hasPartial = true
            return state.waiters.read != nil
        }
    }

    /// The peer has ended its direction.
    func deliverEnd() {
        let waiter = state.withLock { state -> Continuation? in
            state.isEnd = true
            return state.waiters.read.take()
        }
        waiter?.resume()
    }

    /// The peer has acknowledged bytes, or everything.
    func acknowledge(byteCount: Int, isFinished: Bool) {
        let waiters = state.withLock { state in
            state.bufferedByteCount -= byteCount
            if isFinished { state.isSendFinished = true }
            return [
                state.bufferedByteCount <= lowWater ? state.waiters.write.take() : nil,
                state.bufferedByteCount == 0 ? state.waiters.flush.take() : nil,
                isFinished ? state.waiters.finish.take() : nil,
            ]
        }
        for waiter in waiters { waiter?.resume() }
    }

    /// One or both directions are over before their time.
    ///
    /// - Parameter isTaken: whether the peer has everything that was taken from here; when that is all, it was sent in order.
    func fail(
        send: ByteStreamError?, receive: ByteStreamError?, isTaken: Bool = false, dropsData: Bool = false
    ) {
        let (finish, waiters) = state.withLock { state in
            var finish: Continuation?
            var waiters: [(Continuation, ByteStreamError)] = []
            if let send, state.sendError == nil, !state.isSendFinished {
                state.sendError = send
                state.outgoing.removeAll()
                if isTaken, state.bufferedByteCount == 0 {
                    state.isSendFinished = true
                    finish = state.waiters.finish.take()
                }
                for wish in [Wish.write, .flush, .finish] {
                    if let waiter = state.waiters[wish] { waiters.append((waiter, send)) }
                    state.waiters[wish] = nil
                }
            }
            if let receive, state.receiveError == nil, !state.isEnd {
                state.receiveError = receive
                if let waiter = state.waiters.read.take() { waiters.append((waiter, receive)) }
            }
            if dropsData {
                for block in state.incoming[state.incomingIndex...] { state.creditByteCount += block.count }
                state.incoming.removeAll()
                state.incomingIndex = 0
            }
            return (finish, waiters)
        }
        finish?.resume()
        for (waiter, error) in waiters { waiter.resume(throwing: error) }
    }

    // MARK: Waiting

    private func waitForData() async throws {
        try await wait(
            .read,
            onWait: { state in
                // The thread keeps a block that is not full to itself until somebody asks.
                guard state.hasPartial, !state.isDirty else { return false }
                state.isDirty = true
                return true
            }
        ) { state in
            if state.incomingIndex < state.incoming.count || state.isEnd || state.receiveError != nil {
                return .success(())
            }
            return nil
        }
    }

    private func waitForRoom() async throws {
        let isFull = state.withLock { $0.bufferedByteCount >= highWater && $0.sendError == nil }
        guard isFull else { return }
        try await wait(.write) { state in
            if let error = state.sendError { return .failure(error) }
            return state.bufferedByteCount <= lowWater ? .success(()) : nil
        }
    }

    /// Suspends until another thread takes the continuation, unless `check` has an answer already.
    private func wait(
        _ wish: Wish,
        onWait: @Sendable (inout State) -> Bool = { _ in false },
        unless check: @Sendable (inout State) -> Result<Void, ByteStreamError>?
    ) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: Continuation) in
                enum Step {
                    case resume(Result<Void, any Error>)
                    case wait(needsLoop: Bool)
                }
                let step: Step = state.withLock { state in
                    if Task.isCancelled { return .resume(.failure(CancellationError())) }
                    if let result = check(&state) { return .resume(result.mapError { $0 as any Error }) }
                    precondition(state.waiters[wish] == nil, "one read and one write at a time")
                    state.waiters[wish] = continuation
                    return .wait(needsLoop: onWait(&state))
                }
                switch step {
                case .resume(let result): continuation.resume(with: result)
                case .wait(let needsLoop): if needsLoop { carrier.enqueue(self) }
                }
            }
        } onCancel: {
            let continuation = state.withLock { state -> Continuation? in
                let continuation = state.waiters[wish]
                state.waiters[wish] = nil
                return continuation
            }
            continuation?.resume(throwing: CancellationError())
        }
    }
}
