internal import NIOCore

/// Watches the bytes of an HTTP/2 connection, before its own handler.
final class MultiplexedTrafficHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private let liveness: MultiplexedLivenessHandler

    init(for liveness: MultiplexedLivenessHandler) { self.liveness = liveness }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        liveness.noteReceived()
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let byteCount = unwrapOutboundIn(data).readableBytes
        let promise = promise ?? context.eventLoop.makePromise()
        promise.futureResult.assumeIsolated().whenSuccess { [liveness] in liveness.noteSent(byteCount: byteCount) }
        context.write(data, promise: promise)
    }
}
