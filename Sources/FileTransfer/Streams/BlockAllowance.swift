internal import Transports

/// A pool of few blocks, which makes a thread that wants another wait until one has come back.
///
/// However small the pieces are in which a program writes, memory stays bounded, and what waits is joined.
final class BlockAllowance: Sendable {
    private let pool: BlockPool
    private let use: Use

    /// Creates an allowance of that many blocks.
    init(blockCount: Int, blockByteCount: Int = 256 * 1024) {
        let use = Use(limit: blockCount)
        self.use = use
        pool = BlockPool(blockByteCount: blockByteCount, keep: blockCount) { use.giveBack() }
    }

    /// Takes an empty block, waiting while all are in use; `nil` once no more are given.
    func take() -> Block? { use.take() ? pool.take() : nil }

    /// Gives no more blocks.
    func close() { use.close() }

    /// How many blocks are in use.
    private final class Use: @unchecked Sendable {
        // @unchecked: the variables are only touched with the lock held.
        private let lock = ThreadLock()
        private let limit: Int
        private var count = 0
        private var isClosed = false

        init(limit: Int) { self.limit = limit }

        func take() -> Bool {
            lock.withLock {
                while count >= limit, !isClosed { lock.wait() }
                if !isClosed { count += 1 }
                return !isClosed
            }
        }

        func giveBack() {
            lock.withLock {
                count -= 1
                lock.announce()
            }
        }

        func close() {
            lock.withLock {
                isClosed = true
                lock.announce()
            }
        }
    }
}
