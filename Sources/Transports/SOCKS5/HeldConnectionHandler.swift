internal import NIOCore

/// Keeps what comes over a connection that may carry a stream until its last handler is there.
///
/// It is added while reading is switched off, and removed once the handler after it can take what was kept.
final class HeldConnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// More than the kernel buffers, which is what NIO reads at once when the peer has ended its direction.
    private static let limit = 16 << 20

    private var buffers: [ByteBuffer] = []
    private var byteCount = 0
    private var isInputOver = false

    /// Whether the peer has ended its direction without a byte: it has given the connection up.
    var isAbandoned: Bool { isInputOver && byteCount == 0 }

    func handlerAdded(context: ChannelHandlerContext) {
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        byteCount += buffer.readableBytes
        guard byteCount <= Self.limit else { return context.close(promise: nil) }
        buffers.append(buffer)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { isInputOver = true }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        for buffer in buffers { context.fireChannelRead(wrapInboundOut(buffer)) }
        if isInputOver { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
    }
}
