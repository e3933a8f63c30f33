internal import NIOCore
internal import SecureChannels

/// The receiving direction of a TCP connection: what the socket brings goes in, blocks for the stream's reader come out.
/// On the connection's event loop only.
final class TCPReceiver {
    /// How many received bytes may wait for their reader.
    private static let unreadLimit = 4 << 20

    /// Whether the reader is so far behind that nothing more is to be read from the socket.
    private(set) var isPaused = false
    /// Whether the peer has ended its direction in order, and the stream knows.
    private(set) var isFinished = false
    /// Whether FIN came.
    private(set) var isInputOver = false

    private let codec: TCPCodec
    private let stream: BufferedByteStream
    private let pool: BlockPool
    private var input = ByteBuffer()
    private var filling: Block?
    private var unreadByteCount = 0

    init(codec: TCPCodec, stream: BufferedByteStream, pool: BlockPool) {
        self.codec = codec
        self.stream = stream
        self.pool = pool
    }

    /// Takes bytes from the socket.
    func receive(_ bytes: ByteBuffer) throws(TLSError) {
        // Whatever comes after the end is ignored (RFC 8446 § 6.1).
        guard !isFinished else { return }
        if input.readableBytes == 0 { input = bytes } else { input.writeImmutableBuffer(bytes) }
        try drain()
    }

    /// FIN came.
    func endInput() throws(TLSError) {
        isInputOver = true
        try drain()
    }

    /// The reader has taken bytes, and asks for what there is.
    func credit(byteCount: Int) throws(TLSError) {
        unreadByteCount -= byteCount
        deliverFilling()
        guard isPaused, unreadByteCount <= Self.unreadLimit / 2 else { return }
        isPaused = false
        try drain()
    }

    /// Hands over everything, as nothing more will come.
    func flush() {
        // What is wrong with the bytes matters no more.
        try? drain(ignoringLimit: true)
        deliverFilling()
    }

    private func drain(ignoringLimit: Bool = false) throws(TLSError) {
        guard !isFinished else { return }
        do throws(TLSError) {
            while ignoringLimit || unreadByteCount < Self.unreadLimit {
                let block = filling ?? pool.take()
                filling = block
                let room = UnsafeMutableRawBufferPointer(rebasing: block.storage[block.count...])
                let byteCount = try codec.decode(&input, into: room)
                if byteCount == 0 { break }
                block.count += byteCount
                if block.count == block.capacity { deliverFilling() }
            }
            // NIO reads into the same memory again if nobody else has it.
            if input.readableBytes == 0 { input = ByteBuffer() }
            if !ignoringLimit, unreadByteCount >= Self.unreadLimit {
                isPaused = true
            } else if try codec.isEnded(isInputOver: isInputOver) {
                deliverFilling()
                isFinished = true
                stream.deliverEnd()
            } else if let filling, filling.count > 0, stream.notePartial() {
                deliverFilling()
            }
        } catch {
            deliverFilling()
            throw error
        }
    }

    private func deliverFilling() {
        guard let block = filling, block.count > 0 else { return }
        filling = nil
        unreadByteCount += block.count
        stream.deliver(block)
    }
}
