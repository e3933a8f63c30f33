// RFC 9113 § 6.7: whether the peer is still there.
internal import NIOCore
internal import NIOHTTP2

/// Sends a PING at an interval, and ends the connection when nothing has come for two of them. It comes after HTTP/2's own
/// handler, and watches what comes through it.
///
/// Below a byte stream there may be a proxy or a server that lives on when the peer is gone.
final class MultiplexedLivenessHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let interval: TimeAmount
    private var timer: RepeatedTask?
    private var unansweredCount = 0

    init(interval: Duration) { self.interval = TimeAmount(interval) }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let (handler, context) = bound.value
            handler.ping(context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // An answer has overtaken nothing: it shows that all before it has come.
        if case .ping(_, ack: true) = unwrapInboundIn(data).payload { unansweredCount = 0 }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An error of one stream is told to that stream too.
        if !(error is NIOHTTP2Errors.StreamError) { context.close(promise: nil) }
    }

    private func ping(_ context: ChannelHandlerContext) {
        guard unansweredCount < 2 else { return context.close(promise: nil) }
        unansweredCount += 1
        let ping = HTTP2Frame(streamID: .rootStream, payload: .ping(HTTP2PingData(), ack: false))
        context.writeAndFlush(wrapOutboundOut(ping), promise: nil)
    }
}
