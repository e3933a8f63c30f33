internal import Jingle
internal import Transports

/// What is sent to fill a path: the same frame again and again, which costs no more than handing it over, and which
/// nothing on the way can compress.
struct BenchFilling: Sendable {
    /// The size of a whole frame, and how many bytes of filling it has.
    static let blockByteCount = 256 * 1024
    static let byteCount = blockByteCount - BenchFrame.headerByteCount

    private let whole: Block

    init(_ blocks: BlockPool) {
        whole = Self.block(Self.byteCount, blocks)
        var random = SystemRandomNumberGenerator()
        var state: UInt64 = random.next()
        let storage = whole.storage
        for offset in stride(from: BenchFrame.headerByteCount, to: storage.count - 7, by: 8) {
            // SplitMix64: nobody has to be unable to guess it.
            state &+= 0x9e37_79b9_7f4a_7c15
            var word = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
            storage.storeBytes(of: word ^ (word >> 31), toByteOffset: offset, as: UInt64.self)
        }
    }

    /// A frame of so many bytes of filling, at most ``byteCount``.
    func frame(byteCount: Int, _ blocks: BlockPool) -> Block {
        if byteCount == Self.byteCount { return whole }
        let block = Self.block(byteCount, blocks)
        let header = BenchFrame.headerByteCount
        UnsafeMutableRawBufferPointer(rebasing: block.storage[header..<header + byteCount])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: whole.bytes[header..<header + byteCount]))
        return block
    }

    /// So many bytes that nothing can compress, at most ``blockByteCount``.
    func bytes(_ byteCount: Int, _ blocks: BlockPool) -> Block {
        if byteCount == Self.blockByteCount { return whole }
        let block = blocks.take()
        block.storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: whole.bytes[..<byteCount]))
        block.count = byteCount
        return block
    }

    private static func block(_ byteCount: Int, _ blocks: BlockPool) -> Block {
        let block = blocks.take()
        block.storage.copyBytes(from: BenchFrame.dataHeader(byteCount: byteCount))
        block.count = BenchFrame.headerByteCount + byteCount
        return block
    }
}
