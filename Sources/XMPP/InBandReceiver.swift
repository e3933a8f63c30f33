// XEP-0047 § 2.2: the blocks of one direction, as they come.

/// Checks the blocks that come in over a bytestream.
public struct InBandReceiver: Sendable {
    private enum State {
        case waiting(sequence: UInt16, blockSize: UInt16)
        /// A block was refused; none that follows may be processed.
        case broken
    }

    private var state: State

    /// Begins at sequence number 0.
    ///
    /// - Parameter blockSize: the most bytes a block may have.
    public init(blockSize: UInt16) { state = .waiting(sequence: 0, blockSize: blockSize) }

    /// Checks the next block. After the first that is refused the bytestream must be closed.
    ///
    /// - Throws: the `StanzaError` to refuse it with.
    public mutating func receive(sequence: UInt16, byteCount: Int) throws(StanzaError) {
        guard case .waiting(let expected, let blockSize) = state else { throw InBandBytestream.unknown }
        state = .broken
        guard sequence == expected else { throw InBandBytestream.outOfSequence }
        guard byteCount <= Int(blockSize) else { throw InBandBytestream.malformed }
        state = .waiting(sequence: expected &+ 1, blockSize: blockSize)
    }
}
