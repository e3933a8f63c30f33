// Wire/Stream-Continuation.md: what a stream is beyond its sessions.
import Jingle
import Synchronization
import Transports

/// This side's end of a stream and what has become of the bytes, over as many sessions as it takes.
final class StreamJoint: Sendable {
    /// How much is kept of each direction until the peer has it, and until the program has it: enough for a path of
    /// 1 Gbit/s and 100 ms.
    private static let window = 16 << 20

    private struct Beginning: Sendable {
        var stream: any ByteStream
        var target: StreamTarget.Reached
        var flow: StreamFlow
    }

    private struct State {
        var continued: ContinuedStream?
        var session: (handle: JingleSessionHandle, content: ContentID)?
        /// What the peer was told, or is to be told in the next session.
        var notices: [StreamCopy.Notice] = []
    }

    typealias Counts = (sent: UInt64, received: UInt64)

    /// How many of our bytes the peer says its program has; `nil` when it only says that all is well.
    let confirmed = Outcome<UInt64?>()
    let position = TransferPosition()
    private let stopping = AsyncStream.makeStream(of: Void.self)
    private let stopped = Mutex((byPeer: false, here: false))
    private let beginning = Outcome<Beginning>()
    private let result = Outcome<Result<Counts, any Error>>()
    private let state = Mutex(State())

    /// Whether the program there takes no more.
    var isStopped: Bool { stopped.withLock { $0.byPeer } }
    /// Whether the program here takes no more, and the peer was told.
    var hasStopped: Bool { stopped.withLock { $0.here } }
    /// How many bytes of both directions have arrived, as far as it is known.
    var progress: Int64 { state.withLock { $0.continued }?.arrivedByteCount ?? 0 }

    /// Runs the sessions, one after the other, beside the copying, which goes through them all.
    func run<Value: Sendable>(_ sessions: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                await self.copy()
                return nil
            }
            group.addTask { try await sessions() }
            for try await case let value? in group { return value }
            throw CancellationError()
        }
    }

    // MARK: A session

    /// Begins to copy, if that has not begun in an earlier session, and tells the peer what it may not have heard in that.
    ///
    /// - Parameters:
    ///   - stream: the session's.
    ///   - isContinuable: whether both sides can go on in another session.
    /// - Returns: what the session's stream has to carry; `nil` when that is itself what is read and written.
    func enter(
        _ session: JingleSessionHandle, _ content: ContentID, _ stream: any ByteStream, target: StreamTarget.Reached,
        flow: StreamFlow, isContinuable: Bool, blocks: BlockPool
    ) async -> ContinuedStream? {
        let (continued, notices) = state.withLock { state in
            state.session = (session, content)
            if isContinuable, state.continued == nil {
                state.continued = ContinuedStream(window: Self.window, pool: blocks)
            }
            return (state.continued, state.notices)
        }
        beginning.settle(.success(Beginning(stream: continued ?? stream, target: target, flow: flow)))
        for notice in notices { await Self.send(notice, in: session, of: content) }
        return continued
    }

    /// Forgets the session, whose path is lost.
    func leave() {
        state.withLock { $0.session = nil }
        position.disconnect()
    }

    /// Takes the peer's word that its program has everything, so many bytes.
    func confirm(_ byteCount: UInt64?) {
        confirmed.settle(.success(byteCount))
        state.withLock { $0.continued }?.confirm()
    }

    /// Takes the peer's word that its program takes no more.
    func stop() {
        stopped.withLock { $0.byPeer = true }
        stopping.continuation.yield()
    }

    // MARK: The bytes

    /// Returns once both directions are over.
    ///
    /// - Throws: as `StreamCopy`.
    func counts() async throws -> Counts { try await result.value().get() }

    /// Whether both directions are over, or will be by then.
    ///
    /// - Throws: `CancellationError`.
    func isOver(within limit: Duration) async throws -> Bool {
        if result.current != nil { return true }
        return try await within(limit) { try await self.result.value() } != nil
    }

    private func copy() async {
        do {
            let beginning = try await beginning.value()
            let end = try StreamEnd(beginning.target, beginning.flow)
            defer { end.close() }
            let copy = StreamCopy(stream: beginning.stream, end: end, flow: beginning.flow) { notice in
                await self.tell(notice)
            } progress: {
                self.position.advance(to: $0)
            } isConfirmed: {
                // A peer that has everything may close before its carrier has said so.
                try await within(TransferPosition.reasonTimeout) { try await self.confirmed.value() } != nil
            }
            result.settle(.success(.success(try await copy.run(stopping: stopping.stream))))
        } catch {
            result.settle(.success(.failure(error)))
        }
    }

    private func tell(_ notice: StreamCopy.Notice) async {
        if notice == .stopped { stopped.withLock { $0.here = true } }
        let session = state.withLock { state in
            state.notices.append(notice)
            return state.session
        }
        if let session { await Self.send(notice, in: session.handle, of: session.content) }
    }

    private static func send(
        _ notice: StreamCopy.Notice, in session: JingleSessionHandle, of content: ContentID
    ) async {
        let reference = SessionInfo.ContentReference(content)
        // It fails when the session is over, of which whoever follows that tells the reason.
        switch notice {
        case .delivered(let byteCount): try? await session.sendInfo(.delivered(reference, byteCount: byteCount))
        case .stopped: try? await session.sendInfo(.stopped(reference))
        }
    }
}
