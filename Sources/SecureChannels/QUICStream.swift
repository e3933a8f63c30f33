internal import CNGTCP2

/// One bidirectional stream of a ``QUICConnection``: what waits to be sent and to be acknowledged.
///
/// Data are not copied: whoever owns them is held until the peer has acknowledged every byte. Used only on the
/// thread that drives the connection.
package final class QUICStream {
    /// The identifier (RFC 9000 § 2.1).
    package let id: Int64
    /// Whatever the connection's user keeps with the stream.
    package var context: AnyObject?
    /// Whether the peer opened it.
    package let isPeerInitiated: Bool

    /// How many bytes were queued so far.
    package private(set) var queuedByteCount: UInt64 = 0
    /// How many bytes the peer has acknowledged.
    package private(set) var acknowledgedByteCount: UInt64 = 0
    /// Whether the peer has acknowledged everything including the end of our direction.
    package internal(set) var isSendFinished = false
    /// Whether both directions have ended.
    package internal(set) var isClosed = false
    /// Packets with data of this stream that were declared lost.
    package internal(set) var lostPacketCount: UInt64 = 0

    /// How many bytes were handed to the user.
    var deliveredByteCount: UInt64 = 0
    /// How many of those the user has given back as credit.
    var creditedByteCount: UInt64 = 0

    /// By how much its window has grown.
    var windowGrowth: UInt64 = 0
    /// Up to where the reader had come, and when, as its window was last looked at.
    var windowMark: (creditedByteCount: UInt64, time: UInt64) = (0, 0)

    /// Whether the peer may open another stream in its place.
    var isReplaced = false
    var isSendable = false
    var hasProgressed = false
    var endRequested = false
    var endSent = false
    /// The end went in a frame without bytes.
    var endSentAlone = false
    var isEndAcknowledged = false
    var isSendAborted = false
    /// The receive generation in which flow control stopped the stream; it may be open again in the next.
    var blockedGeneration: UInt64 = .max

    private struct Piece {
        var owner: AnyObject?
        var start: UnsafeRawPointer
        var byteCount: Int
    }

    private var ring: [Piece]
    private var mask: Int
    private var head = 0
    private var count = 0
    /// Unacknowledged offset within the first piece.
    private var headOffset = 0
    /// The piece, counted from the head, and the offset in it that go next.
    private var cursor = 0
    private var cursorOffset = 0

    init(id: Int64, isPeerInitiated: Bool) {
        self.id = id
        self.isPeerInitiated = isPeerInitiated
        ring = []
        mask = -1
    }

    /// Bytes queued or sent but not yet acknowledged.
    package var unacknowledgedByteCount: UInt64 { queuedByteCount - acknowledgedByteCount }

    /// Bytes handed to the user for which the peer has no credit yet.
    package var uncreditedByteCount: UInt64 { deliveredByteCount - creditedByteCount }

    /// Whether bytes wait to be sent for the first time.
    var hasPendingBytes: Bool { cursor < count }

    /// Whether something waits to be sent for the first time.
    var hasPending: Bool { !isSendAborted && (cursor < count || (endRequested && !endSent)) }

    func append(owner: AnyObject, bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        if count == ring.count { grow(start) }
        ring[(head + count) & mask] = Piece(owner: owner, start: start, byteCount: bytes.count)
        count += 1
        queuedByteCount += UInt64(bytes.count)
    }

    /// Fills in what goes next.
    ///
    /// - Returns: how many vectors were filled, and whether they hold everything that is queued.
    func next(_ vectors: UnsafeMutablePointer<ngtcp2_vec>, limit: Int) -> (count: Int, isAll: Bool) {
        var filled = 0
        var index = cursor
        var offset = cursorOffset
        while index < count, filled < limit {
            let piece = ring[(head + index) & mask]
            let start = UnsafeMutableRawPointer(mutating: piece.start + offset)
            vectors[filled] = ngtcp2_vec(
                base: start.assumingMemoryBound(to: UInt8.self), len: piece.byteCount - offset)
            filled += 1
            index += 1
            offset = 0
        }
        return (filled, index == count)
    }

    /// Moves on by what was put into a packet.
    func advance(_ byteCount: Int) {
        var left = byteCount
        while left > 0, cursor < count {
            let available = ring[(head + cursor) & mask].byteCount - cursorOffset
            if left < available {
                cursorOffset += left
                return
            }
            left -= available
            cursor += 1
            cursorOffset = 0
        }
    }

    /// Releases what the peer has acknowledged, which comes in order.
    func acknowledge(upTo offset: UInt64) {
        guard offset > acknowledgedByteCount, offset <= queuedByteCount else { return }
        var left = Int(offset - acknowledgedByteCount)
        acknowledgedByteCount = offset
        while left > 0, count > 0 {
            let available = ring[head & mask].byteCount - headOffset
            if left < available {
                headOffset += left
                return
            }
            left -= available
            ring[head & mask].owner = nil
            head = (head + 1) & mask
            headOffset = 0
            count -= 1
            cursor -= 1
        }
    }

    /// Lets go of all data; only when nothing can be sent again.
    func releaseAll() {
        ring = []
        mask = -1
        head = 0
        count = 0
        cursor = 0
        cursorOffset = 0
        headOffset = 0
    }

    private func grow(_ filler: UnsafeRawPointer) {
        var larger: [Piece] = []
        let capacity = max(16, ring.count * 2)
        larger.reserveCapacity(capacity)
        for index in 0..<count { larger.append(ring[(head + index) & mask]) }
        while larger.count < capacity { larger.append(Piece(owner: nil, start: filler, byteCount: 0)) }
        ring = larger
        mask = capacity - 1
        head = 0
    }
}
