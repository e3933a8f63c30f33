/// A reliable, ordered, two-way stream of bytes between two peers, whatever carries it.
///
/// Each direction ends on its own. Reads and writes are back-pressured: a write returns once the carrier has taken
/// the block into its bounded send buffer, a read frees flow-control credit. At most one read and one write may be
/// under way at a time.
public protocol ByteStream: AnyObject, Sendable {
    /// Returns the next bytes, or `nil` when the peer has finished its direction cleanly.
    ///
    /// - Throws: `ByteStreamError`, or `CancellationError` when the calling task is cancelled.
    func read() async throws -> Block?

    /// The bytes written that the peer's carrier is not known to have, as far as ours can tell.
    var unacknowledgedByteCount: Int { get }

    /// Queues a block for sending; the block must not be changed afterwards.
    ///
    /// - Throws: `ByteStreamError`, or `CancellationError` when the calling task is cancelled.
    func write(_ block: Block) async throws

    /// Returns when the peer's carrier has acknowledged every byte that was written.
    ///
    /// - Throws: `ByteStreamError` when it never will, `CancellationError` when the calling task is cancelled.
    func flush() async throws

    /// Ends our direction cleanly and returns when the peer's carrier has acknowledged every byte.
    func finish() async throws

    /// Aborts both directions; the peer's writes fail with that code, and so do its reads once it has read what came before.
    func reset(code: UInt64)
}

/// Why a stream ended before its time.
public enum ByteStreamError: Error, Sendable, Hashable {
    /// The peer aborted the stream.
    case reset(code: UInt64)
    /// The path died: nothing was heard for the time limit.
    case pathLost(String)
    /// The carrier was closed, by the peer or by us.
    case closed(String)
    /// The peer is not the one whose fingerprint was signalled.
    case peerNotAuthenticated(String)

    /// Whether it is the carrier that is gone, and another may go on.
    package var isLoss: Bool {
        switch self {
        case .pathLost, .closed: true
        case .reset, .peerNotAuthenticated: false
        }
    }
}
