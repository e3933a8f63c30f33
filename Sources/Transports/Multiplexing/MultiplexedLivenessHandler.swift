// RFC 9113 § 6.7: whether the peer is still there.
internal import NIOCore
internal import NIOHTTP2

/// Sends a PING at once and at an interval, and ends the connection when nothing has moved for two of them. It comes after HTTP/2's own
/// handler, and is told of the bytes that ``MultiplexedTrafficHandler`` sees before it.
///
/// An answer may be a long time behind what was written before on a slow path; bytes that move show that it lives.
///
/// What an answer takes is the path's round trip for the windows of the streams.
///
/// Below a byte stream there may be a proxy or a server that lives on when the peer is gone.
final class MultiplexedLivenessHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let interval: TimeAmount
    private let allowance: WindowAllowance
    private var timer: RepeatedTask?
    private var unansweredCount = 0
    private var sentByteCount = 0
    /// The last PING's number, and when it was sent.
    private var last: (number: UInt64, sentAt: ContinuousClock.Instant)?

    /// As many bytes as PINGs alone do not have.
    private static let leastTraffic = 1024

    init(interval: Duration, allowance: WindowAllowance) {
        self.interval = TimeAmount(interval)
        self.allowance = allowance
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let (handler, context) = bound.value
            handler.ping(context)
        }
        if context.channel.isActive { ping(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        ping(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .ping(let answer, ack: true) = unwrapInboundIn(data).payload, let last, answer.integer == last.number {
            allowance.note(roundTrip: .now - last.sentAt)
        }
        context.fireChannelRead(data)
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    /// Bytes have come.
    func noteReceived() { unansweredCount = 0 }

    /// So many bytes have gone on.
    func noteSent(byteCount: Int) {
        sentByteCount += byteCount
        if sentByteCount >= Self.leastTraffic { unansweredCount = 0 }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An error of one stream is told to that stream too.
        if !(error is NIOHTTP2Errors.StreamError) { context.close(promise: nil) }
    }

    private func ping(_ context: ChannelHandlerContext) {
        guard unansweredCount < 2 else { return context.close(promise: nil) }
        unansweredCount += 1
        sentByteCount = 0
        let number = (last?.number ?? 0) &+ 1
        last = (number, .now)
        let ping = HTTP2Frame(streamID: .rootStream, payload: .ping(HTTP2PingData(withInteger: number), ack: false))
        context.writeAndFlush(wrapOutboundOut(ping), promise: nil)
    }
}
