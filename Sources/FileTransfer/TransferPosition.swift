import Synchronization
import Transports
import XMPP

/// How far a transfer has come, shared between what moves the bytes and what follows the session.
final class TransferPosition: Sendable {
    private struct State {
        var byteCount = Int64(0)
        var writtenByteCount = Int64(0)
        var isConnected = false
        var isAllSent = false
        var waitingSince: ContinuousClock.Instant?
    }

    private let state = Mutex(State())

    /// The bytes of the file that are with the receiver.
    var byteCount: Int64 { state.withLock { $0.byteCount } }
    /// The bytes of the file that the carrier was given.
    var writtenByteCount: Int64 { state.withLock { $0.writtenByteCount } }
    /// Whether there is a path, so that the bytes need the stream to the server no longer.
    var isConnected: Bool { state.withLock { $0.isConnected } }
    /// Whether the last byte has been handed to the carrier.
    var isAllSent: Bool { state.withLock { $0.isAllSent } }

    /// How long the peer's next bytes have been waited for.
    var waitingTime: Duration { state.withLock { $0.waitingSince.map { .now - $0 } ?? .zero } }

    func startWaiting() { state.withLock { $0.waitingSince = .now } }
    func stopWaiting() { state.withLock { $0.waitingSince = nil } }
    func noteWritten(_ byteCount: Int64) { state.withLock { $0.writtenByteCount += byteCount } }
    /// Begins with what is with the receiver from before.
    func begin(at byteCount: Int64) {
        state.withLock { ($0.byteCount, $0.writtenByteCount) = (byteCount, byteCount) }
    }
    func advance(to byteCount: Int64) { state.withLock { $0.byteCount = byteCount } }
    func connect() { state.withLock { $0.isConnected = true } }
    func disconnect() { state.withLock { $0.isConnected = false } }
    func finish() { state.withLock { $0.isAllSent = true } }
}

extension TransferPosition {
    /// How long the end of the session may take once the stream was aborted.
    static let reasonTimeout = Duration.seconds(2)

    /// What it means that the stream ended before its time, unless the end of the session says so meanwhile.
    ///
    /// - Throws: `CancellationError`.
    func interruption(by error: ByteStreamError, peer: JID) async throws -> TransferError {
        if case .pathLost = error {
        } else {
            // That end, which tells why, may still be on the way: whoever follows the session throws it then.
            try await Task.sleep(for: Self.reasonTimeout)
        }
        return TransferError(error, peer: peer, byteCount: byteCount)
    }
}
