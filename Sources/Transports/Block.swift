import Synchronization

/// A fixed piece of memory for file data on its way between disk and network.
///
/// A block belongs to a ``BlockPool`` and returns to it when the last reference goes. Whoever holds the only
/// reference may write; once shared it is read-only.
public final class Block: @unchecked Sendable {
    // @unchecked: owns raw memory; written by one holder before it is shared, read-only after.

    /// The number of valid bytes, at most ``capacity``.
    public var count: Int
    /// The number of bytes the block can hold.
    public let capacity: Int

    private let memory: UnsafeMutableRawPointer
    /// Where the memory goes back to; `nil` for a part of another block, which keeps it.
    private let pool: BlockPool?
    /// Kept for as long as the block is.
    private let companion: AnyObject?

    fileprivate init(memory: UnsafeMutableRawPointer, capacity: Int, pool: BlockPool?, companion: AnyObject?) {
        self.memory = memory
        self.capacity = capacity
        self.pool = pool
        self.companion = companion
        self.count = 0
    }

    deinit { pool?.recycle(memory) }

    /// A part of the valid bytes as a block of its own, without copying; both are read-only from then on.
    func part(_ range: Range<Int>) -> Block {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        if range == 0..<count { return self }
        let part = Block(memory: memory + range.lowerBound, capacity: range.count, pool: nil, companion: self)
        part.count = range.count
        return part
    }

    /// The valid bytes; the pointer is good while the block is referenced.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

    /// The whole memory, for filling; set ``count`` afterwards.
    public var storage: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory, count: capacity)
    }
}

/// Hands out blocks of one size and keeps returned memory for reuse, so that a transfer of any length allocates
/// only as much as is in flight at once.
public final class BlockPool: Sendable {
    /// The size of every block in bytes.
    public let blockByteCount: Int

    private let free = Mutex<[Memory]>([])
    private let keep: Int
    private let onReturn: (@Sendable () -> Void)?

    /// Memory nobody refers to.
    private struct Memory: @unchecked Sendable {
        // @unchecked: whoever takes it off the free list is its only owner.
        let pointer: UnsafeMutableRawPointer
    }

    /// Creates a pool.
    ///
    /// - Parameters:
    ///   - blockByteCount: size of every block, by default 256 KiB.
    ///   - keep: how many unused blocks to keep for reuse. It should be as many as are ever in use at once: large memory
    ///     that is given back and allocated again leaves holes, and the process grows.
    public convenience init(blockByteCount: Int = 256 * 1024, keep: Int = 160) {
        self.init(blockByteCount: blockByteCount, keep: keep, onReturn: nil)
    }

    /// The same, and calls `onReturn` on any thread when nobody refers to a block any more.
    package init(blockByteCount: Int, keep: Int, onReturn: (@Sendable () -> Void)?) {
        self.blockByteCount = blockByteCount
        self.keep = keep
        self.onReturn = onReturn
    }

    deinit {
        free.withLock { for memory in $0 { memory.pointer.deallocate() } }
    }

    /// Returns an empty block.
    public func take() -> Block { take(with: nil) }

    /// Returns a block with those bytes, which must not be more than a block holds.
    package func take(filledWith bytes: some Collection<UInt8>) -> Block {
        let block = take()
        block.storage.copyBytes(from: bytes)
        block.count = bytes.count
        return block
    }

    /// Returns an empty block, which keeps an object for as long as somebody refers to the block.
    func take(with companion: AnyObject?) -> Block {
        let memory = free.withLock { $0.popLast() }
        return Block(
            memory: memory?.pointer
                ?? .allocate(byteCount: blockByteCount, alignment: blockByteCount < 4096 ? 16 : 4096),
            capacity: blockByteCount, pool: self, companion: companion)
    }

    fileprivate func recycle(_ memory: UnsafeMutableRawPointer) {
        let memory = Memory(pointer: memory)
        let isKept = free.withLock { free in
            guard free.count < keep else { return false }
            free.append(memory)
            return true
        }
        if !isKept { memory.pointer.deallocate() }
        onReturn?()
    }
}
