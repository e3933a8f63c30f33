import Jingle
import SecureChannels
import Synchronization
import Transports
import XMPP

/// What has become of one file so far: when a path is lost, another session carries on what this one began.
final class TransferRecord: Sendable {
    /// How often a file may go on over another path. Each time more of it must have arrived than before.
    static let continuationLimit = 10

    /// A session that was interrupted and may be gone on with.
    struct Loss: Sendable {
        /// The session.
        var session: JingleSessionID
        /// How many bytes of the file were with the receiver.
        var byteCount: Int64
        /// Why its path is gone.
        var why: String

        /// What it means when nothing follows.
        func interruption(_ addition: String = "") -> TransferError {
            .interrupted(byteCount: byteCount, why + addition)
        }
    }

    private struct State {
        var file: FileDescription?
        var session: JingleSessionID?
        var fingerprint: Fingerprint?
        var path: PathReport?
        var firstByte: ContinuousClock.Instant?
        var firstOffset: UInt64?
        var losses: [Loss] = []
        var reasons: [String] = []
    }

    private let started: ContinuousClock.Instant
    private let state = Mutex(State())

    /// - Parameter started: when the user asked for it, or the offer came.
    init(started: ContinuousClock.Instant) { self.started = started }

    /// Whether an earlier session was interrupted.
    var isContinuing: Bool { state.withLock { !$0.losses.isEmpty } }

    // MARK: One session after the other

    /// Notes the path of a session; only one to a device with a fingerprint may be gone on with.
    func connect(
        _ session: JingleSessionID, _ fingerprint: Fingerprint?, _ path: PathReport, from offset: UInt64
    ) {
        state.withLock { state in
            state.session = fingerprint == nil ? nil : session
            state.fingerprint = fingerprint
            state.path = path
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

    /// Decides what follows from an error: a loss after which the file may go on.
    ///
    /// - Throws: what the user is to be told, when it may not.
    func loss(after error: any Error) throws -> Loss {
        try state.withLock { state in
            guard case TransferError.pathLost(let byteCount, let why) = error else {
                throw state.losses.last.map { Self.outcome(of: error, after: $0) } ?? error
            }
            let last = state.losses.last
            guard let session = state.session, let path = state.path, last?.session != session,
                state.losses.count < Self.continuationLimit, byteCount > last?.byteCount ?? -1
            else {
                throw TransferError.interrupted(byteCount: max(byteCount, last?.byteCount ?? 0), why)
            }
            let loss = Loss(session: session, byteCount: byteCount, why: why)
            state.losses.append(loss)
            state.reasons.append("\(path) was lost: \(why)")
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
}
