internal import Jingle

/// Where the frames of streams that may go on are written: for as many streams as like, each of which has few under way.
final class FrameBlocks: Sendable {
    /// Up to which size data is copied behind the header of its frame, so that they are sent as one.
    static let copiedByteCount = 8 << 10

    private let headers = BlockPool(blockByteCount: 64, keep: 64)
    private let small = BlockPool(blockByteCount: StreamFrame.dataHeaderByteCount + copiedByteCount, keep: 32)

    /// A block with bytes that are no data.
    func block(_ bytes: [UInt8]) -> Block { headers.take(filledWith: bytes) }

    /// The frame of data: its header, and the data unless that has been copied behind it.
    func frame(of data: Block) -> (header: Block, rest: Block?) {
        let isCopied = data.count <= Self.copiedByteCount
        let header = isCopied ? small.take() : headers.take()
        StreamFrame.writeDataHeader(byteCount: data.count, to: header.storage)
        header.count = StreamFrame.dataHeaderByteCount
        guard isCopied else { return (header, data) }
        UnsafeMutableRawBufferPointer(rebasing: header.storage[header.count...]).copyMemory(from: data.bytes)
        header.count += data.count
        return (header, nil)
    }
}
