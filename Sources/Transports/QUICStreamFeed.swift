internal import SecureChannels

/// What a connection's thread keeps with a stream, and the block that received bytes go into.
final class QUICStreamFeed {
    let stream: BufferedByteStream
    let engineStream: QUICStream
    /// Until the header is complete the peer's stream is known to nobody else.
    var header: StreamHeaderParser?
    var headerByteCount: UInt64 = 0
    /// The block being filled, where its next byte goes and how much room is left. Its count is set when it is
    /// handed over.
    private(set) var filling: Block?
    private var cursor: UnsafeMutableRawPointer?
    private var room = 0
    var isFresh = false
    /// Nothing more comes from the peer.
    var isEnded = false
    /// The stream itself has ended, and its waiters know. Not so when the engine dropped it with the connection.
    var isClosed = false
    var lastDelivery: UInt64 = 0
    /// How long a block that is not full then waits.
    var deliveryInterval: UInt64 = 0
    var acknowledgedByteCount: UInt64 = 0

    init(_ stream: BufferedByteStream, _ engineStream: QUICStream) {
        self.stream = stream
        self.engineStream = engineStream
    }

    /// Copies what fits; `true` when the block is full.
    func fill(_ source: inout UnsafeRawBufferPointer, from pool: BlockPool) -> Bool {
        if room == 0 {
            let block = pool.take()
            filling = block
            cursor = block.storage.baseAddress
            room = block.capacity
        }
        guard let cursor, let start = source.baseAddress else { return false }
        let amount = min(source.count, room)
        cursor.copyMemory(from: start, byteCount: amount)
        self.cursor = cursor + amount
        room -= amount
        source = UnsafeRawBufferPointer(rebasing: source[amount...])
        return room == 0
    }

    /// Gives up the block with what is in it.
    func takeFilling() -> Block? {
        guard let block = filling.take() else { return nil }
        block.count = block.capacity - room
        room = 0
        cursor = nil
        return block
    }
}
