internal import Jingle

/// One direction of a ``ContinuedStream`` that is sent: what the peer does not have yet is kept, to be sent again over the
/// next carrier. Keeps blocks, never copies them.
struct ContinuedSending {
    /// What is to be sent next.
    enum Piece {
        case data(Block)
        case end
    }

    /// What was written and the peer does not have, in order.
    private var blocks: [Block] = []
    /// Where the first of them begins.
    private var firstOffset: UInt64 = 0
    /// The block that is sent next, and where it begins.
    private var nextIndex = 0
    private var nextOffset: UInt64 = 0

    /// How many bytes were written, have been sent over this carrier, and ever.
    private(set) var written: UInt64 = 0
    private var sent: UInt64 = 0
    private var everSent: UInt64 = 0
    /// How many of them the peer has, and how many it takes.
    private(set) var acknowledged: UInt64 = 0
    private var limit = StreamFrame.initialWindow

    private(set) var isEnded = false
    private var isEndSent = false
    private var wasEndSent = false
    /// Whether the peer has everything, the end included.
    private(set) var isOver = false
    /// Whether the peer has said anything, over whatever carrier.
    private(set) var hasBeenHeard = false
    /// Whether it is known how far the peer has come; of a later carrier only when it has said so.
    private var isReady = true

    /// The bytes that the peer is not known to have.
    var unacknowledgedByteCount: Int { Int(clamping: written - acknowledged) }

    mutating func write(_ block: Block) {
        blocks.append(block)
        written += UInt64(block.count)
    }

    mutating func end() { isEnded = true }

    /// Another carrier begins.
    mutating func beginAnew() { isReady = false }

    private var hasData: Bool { sent < min(written, limit) }
    private var isEndDue: Bool { isEnded && sent == written && !isEndSent }
    /// Whether ``next()`` has something.
    var hasNext: Bool { isReady && !isOver && (hasData || isEndDue) }

    /// What is sent next; `nil` while there is nothing, or the peer takes no more.
    mutating func next() -> Piece? {
        guard hasNext else { return nil }
        if hasData {
            let block = blocks[nextIndex]
            let start = Int(sent - nextOffset)
            let count = min(
                Int(min(UInt64(block.count - start), limit - sent)), StreamFrame.dataByteCountLimit)
            sent += UInt64(count)
            everSent = max(everSent, sent)
            if start + count == block.count {
                nextIndex += 1
                nextOffset = sent
            }
            return .data(block.part(start..<start + count))
        }
        (isEndSent, wasEndSent) = (true, true)
        return .end
    }

    /// Takes the peer's word.
    ///
    /// - Throws: when the peer cannot have come so far.
    mutating func take(_ acknowledgement: StreamAcknowledgement) throws(StreamFrameError) {
        hasBeenHeard = true
        // What it said before may come after its word by another way.
        guard !isOver else { return }
        let received = acknowledgement.received
        // Its first word over a carrier may be of what came over earlier ones.
        let hasEnd = (isReady ? isEndSent : wasEndSent) && received == written + 1
        guard received <= (isReady ? sent : everSent) || hasEnd, received >= acknowledged else {
            throw StreamFrameError("an acknowledgement of what was not sent")
        }
        acknowledged = min(received, written)
        limit = max(limit, acknowledgement.limit)
        if hasEnd { isOver = true }
        drop()
        guard !isReady else { return }
        isReady = true
        isEndSent = hasEnd
        sent = acknowledged
        (nextIndex, nextOffset) = (0, firstOffset)
    }

    /// The peer is said to have everything; nothing, as long as it cannot have.
    mutating func finish() {
        guard isEnded, wasEndSent, everSent == written else { return }
        acknowledged = written
        isOver = true
        blocks = []
    }

    /// Nothing is sent any more.
    mutating func abandon() {
        blocks = []
        nextIndex = 0
    }

    /// Gives the blocks back that the peer has.
    private mutating func drop() {
        var count = 0
        while count < blocks.count, firstOffset + UInt64(blocks[count].count) <= acknowledged {
            firstOffset += UInt64(blocks[count].count)
            count += 1
        }
        blocks.removeFirst(count)
        nextIndex -= count
    }
}
