internal import Jingle

/// One direction of a ``ContinuedStream`` that is received: what came and was not read yet, a window of it at most.
struct ContinuedReceiving {
    /// After so many pieces the peer is told, however small they are: it may have only so many buffers.
    private static let pieceLimit = 16

    private var window: ReceiveWindow
    private let pool: BlockPool

    /// `nil` where one was read.
    private var blocks: [Block?] = []
    private var firstIndex = 0
    /// The last block if it is one of ours with room for more.
    private var filling: Block?

    /// How many bytes have come, and were read.
    private(set) var received: UInt64 = 0
    private var consumed: UInt64 = 0
    private(set) var isEnded = false
    /// What the peer was told, in all and over this carrier.
    private var limit = StreamFrame.initialWindow
    private var told: UInt64 = 0
    private var isTold = false
    private var newPieceCount = 0
    /// Whether the peer has to be told how far we are.
    private(set) var isNewsDue = false

    init(window: ReceiveWindow, pool: BlockPool) {
        self.window = window
        self.pool = pool
    }

    /// Whether something has come that the peer does not know we have.
    var hasNews: Bool { !isTold || told != progress }
    /// Whether ``read()`` has an answer.
    var isReadable: Bool { firstIndex < blocks.count || isEnded }
    private var progress: UInt64 { received + (isEnded ? 1 : 0) }

    /// Another carrier begins, over which the peer is told first how far we are.
    mutating func beginAnew() {
        isTold = false
        isNewsDue = true
    }

    /// Takes bytes of the peer.
    ///
    /// - Throws: when it may not send any.
    mutating func take(_ block: Block, isWaitedFor: Bool) throws(StreamFrameError) {
        guard !isEnded else { throw StreamFrameError("bytes after the end") }
        guard UInt64(block.count) <= limit - received else { throw StreamFrameError("more than it may send") }
        received += UInt64(block.count)
        newPieceCount += 1
        if received - told >= UInt64(window.byteCount / 8) || newPieceCount >= Self.pieceLimit { isNewsDue = true }
        keep(block, isWaitedFor: isWaitedFor)
    }

    mutating func takeEnd() throws(StreamFrameError) {
        guard !isEnded else { throw StreamFrameError("a second end") }
        isEnded = true
        isNewsDue = true
        close()
    }

    /// The peer has to be told soon.
    mutating func noteDelay() { if hasNews { isNewsDue = true } }

    /// Nothing more is to come.
    mutating func close() { window.close() }

    /// The next bytes; `nil` when there are none.
    mutating func read() -> Block? {
        guard firstIndex < blocks.count, let block = blocks[firstIndex].take() else { return nil }
        firstIndex += 1
        if firstIndex == blocks.count {
            blocks.removeAll(keepingCapacity: true)
            (firstIndex, filling) = (0, nil)
        } else if firstIndex >= 64 {
            blocks.removeFirst(firstIndex)
            firstIndex = 0
        }
        consumed += UInt64(block.count)
        if !isEnded, window.take(block.count) != nil { isNewsDue = true }
        return block
    }

    /// What to tell the peer now.
    mutating func acknowledgement() -> StreamAcknowledgement {
        limit = max(limit, consumed + UInt64(window.byteCount))
        (told, isTold, isNewsDue, newPieceCount) = (progress, true, false, 0)
        return StreamAcknowledgement(received: told, limit: limit)
    }

    /// A part of a carrier's block would keep all of it: it is put together with others, unless it is read at once.
    private mutating func keep(_ block: Block, isWaitedFor: Bool) {
        guard !isWaitedFor, block.count < pool.blockByteCount / 4 * 3 else {
            filling = nil
            return blocks.append(block)
        }
        let target: Block
        if let filling, filling.capacity - filling.count >= block.count {
            target = filling
        } else {
            target = pool.take()
            blocks.append(target)
            filling = target
        }
        UnsafeMutableRawBufferPointer(rebasing: target.storage[target.count...]).copyMemory(from: block.bytes)
        target.count += block.count
    }
}
