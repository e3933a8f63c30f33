import Client
import Jingle
import SecureChannels
import Synchronization
import Transports
import XMPP

/// What has become of one file or stream so far: when a path is lost, another session carries on what this one began.
final class TransferRecord: Sendable {
    /// How often a file may go on over another path. Each time more of it must have arrived than before.
    static let continuationLimit = 10
    /// How often in a row a stream may go on without a byte getting further, in sessions that do not last.
    static let fruitlessLimit = 5
    fileprivate static let lastingSession = Duration.seconds(60)
    /// The longest pause before another session: less than the peer waits for it, who may have noticed the loss sooner.
    static let pauseLimit = Duration.seconds(20)
    /// Of how many lost paths the user is told in the end.
    private static let reasonLimit = 10

    /// A session that was interrupted and may be gone on with.
    struct Loss: Sendable {
        /// The session.
        var session: JingleSessionID
        /// How many bytes of the file were with the receiver.
        var byteCount: Int64
        /// How many bytes had arrived, in whatever direction.
        fileprivate var progress: Int64
        /// Why its path is gone.
        var why: String
        /// How long the initiator leaves the peer alone before it goes on.
        var pause: Duration

        /// What it means when nothing follows.
        func interruption(_ addition: String = "") -> TransferError {
            .interrupted(byteCount: byteCount, why + addition)
        }
    }

    fileprivate struct State {
        var file: FileDescription?
        var session: JingleSessionID?
        var fingerprint: Fingerprint?
        var path: PathReport?
        var firstByte: ContinuousClock.Instant?
        var firstOffset: UInt64?
        var connected = ContinuousClock.now
        var last: Loss?
        var lossCount = 0
        var fruitlessCount = 0
        var backoff = Backoff()
        var reasons: [String] = []
    }

    private let started: ContinuousClock.Instant
    private let progress: (@Sendable () -> Int64)?
    private let state = Mutex(State())

    /// - Parameters:
    ///   - started: when the user asked for it, or the offer came.
    ///   - progress: of a stream, which may be silent and has no length: how many of its bytes have arrived.
    init(started: ContinuousClock.Instant, progress: (@Sendable () -> Int64)? = nil) {
        self.started = started
        self.progress = progress
    }

    /// Whether an earlier session was interrupted.
    var isContinuing: Bool { state.withLock { $0.last != nil } }

    // MARK: One session after the other

    /// Notes the path of a session; only one to a device with a fingerprint may be gone on with.
    func connect(
        _ session: JingleSessionID, _ fingerprint: Fingerprint?, _ path: PathReport, from offset: UInt64
    ) {
        state.withLock { state in
            state.session = fingerprint == nil ? nil : session
            state.fingerprint = fingerprint
            state.path = path
            state.connected = .now
            state.firstOffset = state.firstOffset ?? offset
        }
    }

    /// Notes that bytes begin to travel.
    func begin(at instant: ContinuousClock.Instant) {
        state.withLock { $0.firstByte = $0.firstByte ?? instant }
    }

    /// Makes sure that what is offered now is the file, from the device, that was offered before.
    ///
    /// - Throws: `TransferError`.
    func check(_ file: FileDescription, _ fingerprint: Fingerprint?, from peer: JID) throws {
        try state.withLock { state in
            guard let known = state.file else {
                state.file = file
                return
            }
            guard known.name == file.name, known.size == file.size, known.date == file.date else {
                throw TransferError.protocolViolation("it goes on with another file")
            }
            guard state.fingerprint == fingerprint else { throw TransferError.peerNotAuthenticated(peer) }
        }
    }

    /// Makes sure that whoever goes on with a stream is the device with which it began.
    ///
    /// - Throws: `TransferError.peerNotAuthenticated`.
    func check(_ fingerprint: Fingerprint?, from peer: JID) throws(TransferError) {
        let isSame = state.withLock { $0.last == nil || $0.fingerprint == fingerprint }
        guard isSame else { throw .peerNotAuthenticated(peer) }
    }

    /// Decides what follows from an error: a loss after which the file may go on.
    ///
    /// - Throws: what the user is to be told, when it may not.
    func loss(after error: any Error) throws -> Loss {
        let progress = progress?()
        return try state.withLock { state in
            let last = state.last
            guard case TransferError.pathLost(let byteCount, let why) = error else {
                throw last.map { Self.outcome(of: error, after: $0) } ?? error
            }
            guard let session = state.session, let path = state.path, last?.session != session,
                state.mayGoOn(progress ?? byteCount, isStream: progress != nil)
            else {
                throw TransferError.interrupted(byteCount: max(byteCount, last?.byteCount ?? 0), why)
            }
            let loss = Loss(
                session: session, byteCount: byteCount, progress: progress ?? byteCount, why: why, pause: state.pause())
            state.last = loss
            state.lossCount += 1
            if state.reasons.count < Self.reasonLimit { state.reasons.append("\(path) was lost: \(why)") }
            return loss
        }
    }

    /// What it means that an attempt to go on has failed: the file remains interrupted, unless there is something to be
    /// done about the failure first.
    private static func outcome(of error: any Error, after loss: Loss) -> any Error {
        switch error {
        case TransferError.noPath(let reasons):
            loss.interruption("; and there is no other path: \(reasons.joined(separator: "; "))")
        case TransferError.checksumMismatch, TransferError.peerNotAuthenticated, TransferError.deviceChanged,
            TransferError.notEncrypted, TransferError.refusedAsInsecure:
            error
        case is TransferError, is StanzaChannelError: loss.interruption()
        default: error
        }
    }

    // MARK: The end

    /// What the transfer that was finished at `end` amounted to.
    func summary(
        name: String, peer: JID, byteCount: UInt64, end: ContinuousClock.Instant = .now, sha256: String,
        isVerified: Bool, path: PathReport
    ) -> TransferSummary {
        let (firstByte, offset, reasons) = state.withLock { ($0.firstByte ?? end, $0.firstOffset ?? 0, $0.reasons) }
        var path = path
        path.reasons.insert(contentsOf: reasons, at: 0)
        return TransferSummary(
            name: name, peer: peer, byteCount: Int64(byteCount),
            transferredByteCount: Int64(byteCount) - Int64(offset), duration: end - firstByte,
            timeToFirstByte: firstByte - started, sha256: sha256, isVerified: isVerified, path: path)
    }

    /// What the stream that has ended now amounted to.
    func summary(
        peer: JID, sentByteCount: UInt64, receivedByteCount: UInt64, path: PathReport
    ) -> StreamSummary {
        let (firstByte, reasons) = state.withLock { ($0.firstByte ?? .now, $0.reasons) }
        var path = path
        path.reasons.insert(contentsOf: reasons, at: 0)
        return StreamSummary(
            peer: peer, sentByteCount: sentByteCount, receivedByteCount: receivedByteCount,
            duration: .now - firstByte, path: path)
    }
}

extension TransferRecord.State {
    /// Whether there may be another session, after one that has brought it so far.
    fileprivate mutating func mayGoOn(_ progress: Int64, isStream: Bool) -> Bool {
        let hasComeFurther = progress > last?.progress ?? -1
        guard isStream else { return lossCount < TransferRecord.continuationLimit && hasComeFurther }
        let isFruitless = !hasComeFurther && .now - connected < TransferRecord.lastingSession
        fruitlessCount = isFruitless ? fruitlessCount + 1 : 0
        return fruitlessCount < TransferRecord.fruitlessLimit
    }

    /// How long to wait before the next session: not at all after one that has lasted, or the first; longer and longer as one
    /// that follows does not last either, however little it brings.
    fileprivate mutating func pause() -> Duration {
        guard last != nil, .now - connected < TransferRecord.lastingSession else {
            backoff.reset()
            return .zero
        }
        var random = SystemRandomNumberGenerator()
        return min(backoff.next(using: &random), TransferRecord.pauseLimit)
    }
}
