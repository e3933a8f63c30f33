internal import Synchronization

/// What was read of a stream beyond what was wanted; whoever takes it is the only one who keeps it.
final class Leftover: Sendable {
    private let block: Mutex<Block?>

    init(_ block: consuming Block?) { self.block = Mutex(block) }

    func take() -> Block? { block.withLock { $0.take() } }
}
