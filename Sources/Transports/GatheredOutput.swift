internal import NIOCore

/// The bytes that wait to be written to a channel, in few pieces however small those are that come.
///
/// A piece is written when it is large, or when no other waits for the channel. So of any number of bytes that wait, no
/// more writes are pending than there are large pieces in them, and one.
struct GatheredOutput {
    /// How large a piece is that others need not be added to.
    static let pieceByteCount = 64 << 10

    private var gathered = ByteBuffer()
    private var pendingCount = 0

    /// Whether everything is written.
    var isEmpty: Bool { pendingCount == 0 && gathered.readableBytes == 0 }

    /// Adds bytes.
    mutating func add(_ bytes: UnsafeRawBufferPointer) { gathered.writeBytes(bytes) }

    /// A large piece, or what there is when no write is pending. It is pending from now on.
    mutating func takePiece(onlyLarge: Bool = false) -> ByteBuffer? {
        let byteCount = gathered.readableBytes
        guard byteCount >= Self.pieceByteCount || (!onlyLarge && byteCount > 0 && pendingCount == 0) else { return nil }
        pendingCount += 1
        defer { gathered = ByteBuffer() }
        return gathered
    }

    /// A piece is written.
    mutating func noteWritten() { pendingCount -= 1 }
}
