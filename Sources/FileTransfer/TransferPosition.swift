import Synchronization

/// How far a transfer has come, shared between what moves the bytes and what follows the session.
final class TransferPosition: Sendable {
    private let state = Mutex((byteCount: Int64(0), isAllSent: false))

    /// The bytes of the file that are with the receiver.
    var byteCount: Int64 { state.withLock { $0.byteCount } }
    /// Whether the last byte has been handed to the carrier, so that the peer may end the session.
    var isAllSent: Bool { state.withLock { $0.isAllSent } }

    func advance(to byteCount: Int64) { state.withLock { $0.byteCount = byteCount } }
    func finish() { state.withLock { $0.isAllSent = true } }
}
