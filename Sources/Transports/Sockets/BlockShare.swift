internal import Synchronization

/// Blocks for many streams: each may have a few at any time, and more while there are some left that all share.
///
/// So memory is bounded whatever peers and programs do, a stream that is busy gets what a long path needs, and one that
/// is stalled keeps no other from going on.
package final class BlockBudget: Sendable {
    let pool: BlockPool
    fileprivate let state: Mutex<Int>

    /// Creates a budget.
    ///
    /// - Parameter sharedCount: how many blocks may be in use above those that every stream has.
    package init(blockByteCount: Int = 64 << 10, sharedCount: Int = 1024) {
        pool = BlockPool(blockByteCount: blockByteCount, keep: 256)
        state = Mutex(sharedCount)
    }
}

/// What one stream has of a ``BlockBudget``.
final class BlockShare: Sendable {
    /// How many blocks a stream can have at any time, and at most.
    private static let ownCount = 4
    private static let limit = 64

    private struct State {
        var usedCount = 0
        var sharedCount = 0
        var isWaiting = false
    }

    private let budget: BlockBudget
    private let state = Mutex(State())
    private let onReturn: @Sendable () -> Void

    /// - Parameter onReturn: is called on any thread when a block has come back after none could be had.
    init(of budget: BlockBudget, onReturn: @escaping @Sendable () -> Void) {
        self.budget = budget
        self.onReturn = onReturn
    }

    /// An empty block; `nil` while there is none.
    func take() -> Block? {
        let mayTake = state.withLock { state in
            if state.usedCount - state.sharedCount >= Self.ownCount {
                guard state.usedCount < Self.limit, takeShared() else {
                    state.isWaiting = true
                    return false
                }
                state.sharedCount += 1
            }
            state.usedCount += 1
            return true
        }
        return mayTake ? budget.pool.take(with: Use(self)) : nil
    }

    /// An empty block, from outside of the budget if need be: for what is in memory already, which is at most what the kernel
    /// had of a socket that broke off.
    func takeAny() -> Block { take() ?? budget.pool.take() }

    private func takeShared() -> Bool {
        budget.state.withLock { count in
            guard count > 0 else { return false }
            count -= 1
            return true
        }
    }

    private func giveBack() {
        let wasWaiting = state.withLock { state in
            state.usedCount -= 1
            if state.sharedCount > 0 {
                state.sharedCount -= 1
                budget.state.withLock { $0 += 1 }
            }
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if wasWaiting { onReturn() }
    }

    /// A block in use.
    private final class Use: Sendable {
        private let share: BlockShare
        init(_ share: BlockShare) { self.share = share }
        deinit { share.giveBack() }
    }
}
