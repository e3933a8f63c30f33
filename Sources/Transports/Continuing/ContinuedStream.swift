// Wire/Stream-Continuation.md: one stream over several carriers in turn.
internal import Jingle
internal import Synchronization

/// A stream whose bytes outlive what carries them: over the next carrier both sides say how far they have come, and go on
/// from there, so that nothing is lost and nothing comes twice.
///
/// It is carried while ``carry(over:)`` runs. In between reads wait, and writes when as much as fits is kept.
package final class ContinuedStream: ByteStream {
    /// How long what has come over a carrier may take to be read when nothing can be sent over it any more.
    private static let drainingLimit = Duration.seconds(2)

    private let state: Mutex<State>
    private let capacity: Int
    private let frames: FrameBlocks
    private let delay: AcknowledgementDelay

    /// Creates a stream that is not carried yet.
    ///
    /// - Parameters:
    ///   - capacity: how many of the bytes that were written are kept until the peer has them.
    ///   - window: how many of those that come are kept until they are read.
    ///   - pool: blocks for what comes in small pieces.
    ///   - frames: blocks for frames.
    ///   - delay: of its acknowledgements.
    init(
        capacity: Int, window: ReceiveWindow, pool: BlockPool, frames: FrameBlocks, delay: AcknowledgementDelay
    ) {
        self.capacity = capacity
        self.frames = frames
        self.delay = delay
        state = Mutex(State(receiving: ContinuedReceiving(window: window, pool: pool)))
    }

    /// The same, with as many bytes in either direction.
    package convenience init(window: Int, pool: BlockPool) {
        self.init(
            capacity: window, window: ReceiveWindow(of: window, within: WindowAllowance(byteCount: 0)), pool: pool,
            frames: FrameBlocks(), delay: AcknowledgementDelay())
    }

    deinit { state.withLock { $0.receiving.close() } }

    // MARK: ByteStream

    package func read() async throws -> Block? {
        while true {
            try Task.checkCancellation()
            enum Step {
                case block(Block)
                case end
                case wait
            }
            let (step, pump) = try state.withLock { state -> (Step, CheckedContinuation<Void, Never>?) in
                if let block = state.receiving.read() { return (.block(block), state.takeSenderIfDue()) }
                if state.receiving.isEnded { return (.end, nil) }
                if let error = state.error { throw error }
                return (.wait, nil)
            }
            pump?.resume()
            switch step {
            case .block(let block): return block
            case .end: return nil
            case .wait: await wait(.read) { !$0.receiving.isReadable && $0.error == nil }
            }
        }
    }

    package var unacknowledgedByteCount: Int { state.withLock { $0.sending.unacknowledgedByteCount } }

    /// How many bytes of both directions have arrived, as far as it is known here.
    package var arrivedByteCount: Int64 {
        state.withLock { Int64(clamping: $0.sending.acknowledged) + Int64(clamping: $0.receiving.received) }
    }

    package func write(_ block: Block) async throws {
        guard block.count > 0 else { return }
        while true {
            try Task.checkCancellation()
            let (isTaken, pump) = try state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
                if let error = state.error { throw error }
                precondition(!state.sending.isEnded, "write after finish")
                guard state.sending.unacknowledgedByteCount < capacity else { return (false, nil) }
                state.sending.write(block)
                return (true, state.take(.send))
            }
            pump?.resume()
            if isTaken { return }
            await wait(.write) { [capacity] in $0.error == nil && $0.sending.unacknowledgedByteCount >= capacity }
        }
    }

    package func flush() async throws {
        try await complete(.flush) { $0.sending.unacknowledgedByteCount == 0 }
    }

    package func finish() async throws {
        state.withLock { state in
            state.sending.end()
            return state.take(.send)
        }?.resume()
        try await complete(.finish) { $0.sending.isOver }
    }

    private func complete(_ wish: Wish, when isDone: @Sendable (State) -> Bool) async throws {
        while true {
            try Task.checkCancellation()
            let isOver = try state.withLock { state in
                if isDone(state) { return true }
                if let error = state.error { throw error }
                return false
            }
            if isOver { return }
            await wait(wish) { $0.error == nil && !isDone($0) }
        }
    }

    package func reset(code: UInt64) {
        fail(.reset(code: code)) { $0.resetCode = code }
    }

    /// Notes that the peer has everything, although no carrier has said so; it does nothing before all of it was sent.
    package func confirm() {
        wake { $0.sending.finish() }
    }

    /// Ends both directions before their time.
    func fail(_ error: ByteStreamError, _ body: @Sendable (inout State) -> Void = { _ in }) {
        wake { state in
            guard state.error == nil else { return }
            state.error = error
            state.sending.abandon()
            state.receiving.close()
            body(&state)
        }
    }

    /// Whether it was ended before its time.
    var hasFailed: Bool { state.withLock { $0.error != nil } }
    /// Whether both sides have everything, as far as it is known here.
    var isOver: Bool { state.withLock { $0.sending.isOver && $0.receiving.isEnded } }
    /// Whether the peer has been heard, over whatever carrier.
    var isKnownToPeer: Bool { state.withLock { $0.sending.hasBeenHeard } }
    /// Whether it ended before its time, and before any peer could know of it.
    var isStillborn: Bool { state.withLock { $0.error != nil && !$0.hasBeenCarried } }

    // MARK: Carriers

    /// Carries the bytes over a stream until everything has arrived on both sides, or the carrier fails. For one carrier at a
    /// time; the carrier is of no other use afterwards.
    ///
    /// - Throws: `ByteStreamError`, after which another carrier may follow unless the peer has aborted the stream;
    ///   `StreamFrameError` when the peer sends nonsense, which ends the stream; `CancellationError`.
    package func carry(over carrier: any ByteStream) async throws {
        delay.open()
        defer { delay.close() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await self.delay.run() }
            group.addTask { try await self.carry(over: carrier, after: nil) }
            try await group.next()
        }
    }

    /// The same, while somebody else runs the delay of its acknowledgements.
    ///
    /// - Parameter leftover: what has been read from the carrier already.
    func carry(over carrier: any ByteStream, after leftover: Leftover?) async throws {
        state.withLock { $0.beginCarrier() }
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                group.addTask { try await self.sendToTheEnd(over: carrier) }
                try await self.receive(from: carrier, after: leftover)
                try await group.next()
            }
        } catch let error as StreamFrameError {
            let code = StreamErrorCode.notAsNegotiated.rawValue
            carrier.reset(code: code)
            fail(.reset(code: code))
            throw error
        } catch let error as ByteStreamError {
            let error = state.withLock { $0.carrierLoss } ?? error
            if !error.isLoss { fail(error) }
            throw error
        }
    }

    /// Sends, and lets whoever receives read what has come already when nothing can be sent any more.
    private func sendToTheEnd(over carrier: any ByteStream) async throws {
        do {
            try await send(over: carrier)
        } catch let error as ByteStreamError {
            if error.isLoss {
                state.withLock { $0.carrierLoss = error }
                try await Task.sleep(for: Self.drainingLimit)
            }
            // Whoever reads is to read no longer.
            carrier.reset(code: 0)
            throw error
        }
    }

    private func send(over carrier: any ByteStream) async throws {
        while true {
            try Task.checkCancellation()
            switch state.withLock({ $0.work() }) {
            case .acknowledgement(let acknowledgement):
                try await carrier.write(frames.block(StreamFrame.acknowledgement(acknowledgement).bytes))
            case .piece(.data(let data)):
                let (header, rest) = frames.frame(of: data)
                try await carrier.write(header)
                if let rest { try await carrier.write(rest) }
            case .piece(.end): try await carrier.write(frames.block(StreamFrame.end.bytes))
            case .reset(let code):
                carrier.reset(code: code)
                throw ByteStreamError.reset(code: code)
            case .over: return try await carrier.finish()
            case nil: await wait(.send) { !$0.hasWork }
            }
        }
    }

    private func receive(from carrier: any ByteStream, after leftover: Leftover?) async throws {
        var parser = StreamFrameParser()
        // No block is kept while another one is waited for: they are large.
        if let leftover { try leftover.take().map { try take($0, &parser) } }
        while let block = try await carrier.read() { try take(block, &parser) }
        guard isOver else {
            throw ByteStreamError.closed("the peer closed the connection")
        }
    }

    private func take(_ block: Block, _ parser: inout StreamFrameParser) throws(StreamFrameError) {
        var rest = block.bytes
        while let event = try parser.next(&rest) {
            switch event {
            case .data(let byteCount):
                let end = block.count - rest.count
                try take(block.part(end - byteCount..<end))
            case .frame(.acknowledgement(let acknowledgement)): try take(acknowledgement)
            case .frame(.end): try takeEnd()
            }
        }
    }

    private func take(_ block: Block) throws(StreamFrameError) {
        let (reader, sender, isDelayed) = try state.withLock { state throws(StreamFrameError) in
            try state.receiving.take(block, isWaitedFor: state.isWaiting(for: .read))
            return (state.take(.read), state.takeSenderIfDue(), state.delay())
        }
        reader?.resume()
        sender?.resume()
        if isDelayed { delay.add(self) }
    }

    private func takeEnd() throws(StreamFrameError) {
        let woken = try state.withLock { state throws(StreamFrameError) in
            try state.receiving.takeEnd()
            return (state.take(.read), state.take(.send))
        }
        woken.0?.resume()
        woken.1?.resume()
    }

    private func take(_ acknowledgement: StreamAcknowledgement) throws(StreamFrameError) {
        let woken = try state.withLock { [capacity] state throws(StreamFrameError) in
            try state.take(acknowledgement)
            let hasRoom = state.sending.unacknowledgedByteCount < capacity
            return [
                state.take(.send), hasRoom ? state.take(.write) : nil,
                state.sending.unacknowledgedByteCount == 0 ? state.take(.flush) : nil,
                state.sending.isOver ? state.take(.finish) : nil,
            ]
        }
        for waiter in woken { waiter?.resume() }
    }

    /// Tells the peer what it has not been told for a while.
    func acknowledge() {
        state.withLock { state in
            state.isDelayed = false
            state.receiving.noteDelay()
            return state.takeSenderIfDue()
        }?.resume()
    }

    // MARK: Waiting

    private func wake(_ body: (inout State) -> Void) {
        let woken = state.withLock { state in
            body(&state)
            return Wish.allCases.map { state.take($0) }
        }
        for waiter in woken { waiter?.resume() }
    }

    /// Suspends until somebody has changed what is waited for, or the task is cancelled.
    private func wait(_ wish: Wish, while isStuck: @Sendable (State) -> Bool) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard isStuck(state), !Task.isCancelled else { return true }
                    state.wait(for: wish, continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.take(wish) }?.resume()
        }
    }
}
