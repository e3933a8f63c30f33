internal import CLinux
internal import Glibc
internal import SecureChannels
internal import Synchronization

/// What a connection's thread and the tasks that use it share: the requests, and who waits for what.
final class QUICChannelCore: ByteStreamCarrier {
    /// A request for a new stream.
    struct Opening {
        var id: UInt64
        var header: [UInt8]
        var continuation: CheckedContinuation<BufferedByteStream, any Error>
    }

    /// A stream the peer has opened, with the name in its header.
    struct Accepted: Sendable {
        var contentName: String
        var stream: BufferedByteStream
    }

    /// What the thread takes at once.
    struct Requests {
        var dirty: [BufferedByteStream] = []
        var openings: [Opening] = []
        var close: (code: UInt64, reason: String, repeats: Bool)?
        /// The new limit in bytes a second; the inner `nil` is for none.
        var limit: UInt64??
    }

    private struct State {
        var requests = Requests()
        var isAsleep = false
        var nextID: UInt64 = 0
        var cancelledOpenings: Set<UInt64> = []

        var isEstablished = false
        var closeReason: QUICCloseReason?
        var isFinished = false
        var isAbandoned = false
        var accepted: [Accepted] = []
        var accepting: [(id: UInt64, continuation: CheckedContinuation<Accepted, any Error>)] = []
        var waiting: [(id: UInt64, for: Milestone, continuation: CheckedContinuation<Void, any Error>)] = []
        var statistics = QUICStatistics()

        var hasNoRequests: Bool {
            requests.dirty.isEmpty && requests.openings.isEmpty && requests.close == nil && requests.limit == nil
                && cancelledOpenings.isEmpty
        }
    }

    enum Milestone {
        case established
        case closed
        case finished
    }

    /// How many of the peer's streams may wait to be accepted.
    private static let maximumWaitingStreams = 256

    /// Wakes the thread.
    let eventDescriptor: CInt
    /// How many consumed bytes are worth waking the thread for.
    let creditThreshold: Int
    let pool: BlockPool

    private let state = Mutex(State())

    init?(pool: BlockPool, creditThreshold: Int) {
        let descriptor = datagram_event_new()
        guard descriptor >= 0 else { return nil }
        eventDescriptor = descriptor
        self.pool = pool
        self.creditThreshold = creditThreshold
    }

    deinit { Glibc.close(eventDescriptor) }

    // MARK: Tasks

    /// Tells the thread that a stream has work for it.
    func enqueue(_ stream: BufferedByteStream) { request { $0.dirty.append(stream) } }

    /// Asks for the end of the connection.
    ///
    /// - Parameter repeats: whether the peer is told until it must have heard it.
    func requestClose(code: UInt64, reason: String, repeats: Bool = true) {
        request { if $0.close == nil { $0.close = (code, reason, repeats) } }
    }

    /// Limits what all streams together send.
    func requestLimit(bytesPerSecond: UInt64?) { request { $0.limit = .some(bytesPerSecond) } }

    /// Closes on behalf of a user who has gone away.
    func abandon() {
        requestClose(code: 0, reason: "")
        state.withLock { state in
            state.isAbandoned = true
            state.accepted.removeAll()
        }
    }

    func openStream(header: [UInt8]) async throws -> BufferedByteStream {
        let id = newID()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let error: (any Error)? = state.withLock { state in
                    if Task.isCancelled { return CancellationError() }
                    if let reason = state.closeReason { return ByteStreamError(reason) }
                    state.requests.openings.append(Opening(id: id, header: header, continuation: continuation))
                    return nil
                }
                if let error { continuation.resume(throwing: error) } else { wake() }
            }
        } onCancel: {
            state.withLock { _ = $0.cancelledOpenings.insert(id) }
            wake()
        }
    }

    func acceptStream() async throws -> Accepted {
        let id = newID()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Accepted, any Error>? = state.withLock { state in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if !state.accepted.isEmpty { return .success(state.accepted.removeFirst()) }
                    if let reason = state.closeReason { return .failure(ByteStreamError(reason)) }
                    state.accepting.append((id, continuation))
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                state.accepting.firstIndex { $0.id == id }.map { state.accepting.remove(at: $0).continuation }
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    /// Waits until the connection has got that far; being closed is an error only to who waits for it to be usable.
    func wait(for milestone: Milestone) async throws {
        let id = newID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Void, any Error>? = state.withLock { state in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    switch milestone {
                    case .established:
                        if let reason = state.closeReason { return .failure(ByteStreamError(reason)) }
                        if state.isEstablished { return .success(()) }
                    case .closed: if state.closeReason != nil { return .success(()) }
                    case .finished: if state.isFinished { return .success(()) }
                    }
                    state.waiting.append((id, milestone, continuation))
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0).continuation }
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    var closeReason: QUICCloseReason? { state.withLock { $0.closeReason } }
    var statistics: QUICStatistics { state.withLock { $0.statistics } }

    // MARK: The connection's thread

    /// Takes the requests.
    func takeRequests() -> Requests? {
        state.withLock { state in
            guard !state.hasNoRequests else { return nil }
            var taken = Requests()
            swap(&taken, &state.requests)
            return taken
        }
    }

    /// Says whether there are no requests; the thread may then sleep, and the next request wakes it.
    func takeNothing() -> Bool {
        state.withLock { state in
            state.isAsleep = state.hasNoRequests
            return state.isAsleep
        }
    }

    func noteAwake() { state.withLock { $0.isAsleep = false } }

    /// Openings whose task has been cancelled meanwhile.
    func takeCancelledOpenings() -> Set<UInt64> {
        state.withLock { state in
            defer { state.cancelledOpenings.removeAll() }
            return state.cancelledOpenings
        }
    }

    func noteEstablished() {
        let waiters = state.withLock { state in
            state.isEstablished = true
            return Self.take(.established, &state)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Hands a peer's stream to whoever accepts; `false` when too many wait already.
    func deliver(_ accepted: Accepted) -> Bool {
        let (isTaken, continuation) = state.withLock { state -> (Bool, CheckedContinuation<Accepted, any Error>?) in
            if !state.accepting.isEmpty { return (true, state.accepting.removeFirst().continuation) }
            guard !state.isAbandoned, state.accepted.count < Self.maximumWaitingStreams else { return (false, nil) }
            state.accepted.append(accepted)
            return (true, nil)
        }
        continuation?.resume(returning: accepted)
        return isTaken
    }

    func noteClosed(_ reason: QUICCloseReason) {
        let (ready, closed, accepting, openings) = state.withLock { state in
            if state.closeReason == nil { state.closeReason = reason }
            defer {
                state.accepting.removeAll()
                state.requests.openings.removeAll()
            }
            return (
                Self.take(.established, &state), Self.take(.closed, &state), state.accepting, state.requests.openings
            )
        }
        let error = ByteStreamError(reason)
        for waiter in ready { waiter.resume(throwing: error) }
        for waiter in closed { waiter.resume() }
        for waiter in accepting { waiter.continuation.resume(throwing: error) }
        for opening in openings { opening.continuation.resume(throwing: error) }
    }

    func noteFinished() {
        let waiters = state.withLock { state in
            state.isFinished = true
            state.requests = Requests()
            return Self.take(.finished, &state)
        }
        for waiter in waiters { waiter.resume() }
    }

    func store(_ statistics: QUICStatistics) { state.withLock { $0.statistics = statistics } }

    private static func take(_ milestone: Milestone, _ state: inout State) -> [CheckedContinuation<Void, any Error>] {
        let taken = state.waiting.filter { $0.for == milestone }.map(\.continuation)
        state.waiting.removeAll { $0.for == milestone }
        return taken
    }

    private func newID() -> UInt64 {
        state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
    }

    private func request(_ body: (inout Requests) -> Void) {
        let mustWake = state.withLock { state in
            guard !state.isFinished else { return false }
            body(&state.requests)
            defer { state.isAsleep = false }
            return state.isAsleep
        }
        if mustWake { datagram_event_raise(eventDescriptor) }
    }

    private func wake() { request { _ in } }
}

extension ByteStreamError {
    /// What the end of a connection means to its streams.
    init(_ reason: QUICCloseReason) {
        self =
            switch reason {
            case .local: .closed("the connection was closed here")
            case .peer(code: 0, _): .closed("the peer closed the connection")
            // It gave up whatever was still open, for the reason that the code names.
            case .peer(let code, _): .reset(code: code)
            case .peerTransport(let code, _): .closed("the peer found a protocol error (code \(code))")
            case .peerNotAuthenticated: .peerNotAuthenticated("its certificate is not the one signalled")
            case .refusedByPeer: .peerNotAuthenticated("the peer refused this device's certificate")
            case .idleTimeout: .pathLost("nothing was heard from the peer")
            case .pathLost(let why): .pathLost(why)
            case .handshakeTimeout: .pathLost("the peer did not answer in time")
            case .failed(let words): .closed("QUIC failed: \(words)")
            }
    }
}
