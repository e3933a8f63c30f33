// RFC 9113 § 8.5: the bytes of a stream in the DATA frames of a CONNECT request.
internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2

/// Carries the bytes of one stream of a ``MultiplexedConnection``. On the connection's event loop only.
///
/// What comes is bounded by the window that the peer has for this stream, which opens as the stream's reader takes bytes: so
/// all that comes is taken from the channel at once, and the end is known as soon as it is there. No other stream waits.
final class MultiplexedStreamHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    /// How large the window of a stream is at first.
    static let windowByteCount = 512 << 10
    /// By how much that is more than what HTTP/2 gives each stream at its beginning.
    private static let firstIncrement = windowByteCount - 65_535

    /// Whether the request is ours, and what it says.
    enum Side: Sendable {
        case requests(MultiplexedPurpose)
        case answers
    }

    let stream: BufferedByteStream
    private let side: Side
    private let pool: BlockPool
    /// Takes the stream of a request of the peer's; `false` when it is not wanted.
    private let welcome: (MultiplexedPurpose, BufferedByteStream) -> Bool
    private let channel: any Channel

    private var spareBlocks: [Block] = []
    private var filling: Block?
    private var window: ReceiveWindow
    private var paddingByteCount = 0
    private var isOpen = false
    private var isInputOver = false
    private var output = GatheredOutput()
    private var isEndRequested = false
    private var isEndWritten = false
    private var isReset = false

    init(
        _ side: Side, channel: any Channel, pool: BlockPool, allowance: WindowAllowance,
        welcome: @escaping (MultiplexedPurpose, BufferedByteStream) -> Bool = { _, _ in false }
    ) {
        self.side = side
        self.channel = channel
        self.pool = pool
        self.welcome = welcome
        stream = BufferedByteStream(
            id: 0, carrier: MultiplexedStreamLink(channel: channel), highWater: MultiplexedStreamLink.highWater)
        window = ReceiveWindow(of: Self.windowByteCount, within: allowance)
    }

    // MARK: Events of the channel

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let headers):
            receive(headers.headers, isLast: headers.endStream, context)
            if headers.endStream { endInput() }
        case .data(let data):
            if case .byteBuffer(let buffer) = data.data { fill(buffer) }
            // It counts too, with its length (RFC 9113 § 6.9.1), and nobody takes it.
            if let padding = data.paddingBytes { paddingByteCount += padding + 1 }
            if data.endStream { endInput() }
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Not before: the end may have come with it, after which credit is an error of the connection.
        if paddingByteCount > 0 { credit(paddingByteCount, context) }
        paddingByteCount = 0
        deliverIfWanted()
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case MultiplexedStreamLink.Request.work = event else {
            return context.fireUserInboundEventTriggered(event)
        }
        work(context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let error: ByteStreamError =
            if let closed = error as? NIOHTTP2Errors.StreamClosed {
                .reset(code: MultiplexedPurpose.resetCode(closed.errorCode))
            } else {
                .closed("the connection was lost")
            }
        deliverFilling()
        window.close()
        stream.fail(send: error, receive: error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        deliverFilling()
        window.close()
        let error = ByteStreamError.closed("the stream has ended")
        // With the end of both directions the stream is over before we hear that ours is on its way.
        stream.fail(send: isEndWritten ? nil : error, receive: error)
        context.fireChannelInactive()
    }

    // MARK: Opening

    private func begin(_ context: ChannelHandlerContext) {
        if case .requests(let purpose) = side, !isOpen {
            isOpen = true
            write(.headers(.init(headers: purpose.request)), context)
            write(.windowUpdate(windowSizeIncrement: Self.firstIncrement), context)
            work(context)
        }
    }

    private func receive(_ headers: HPACKHeaders, isLast: Bool, _ context: ChannelHandlerContext) {
        switch side {
        case .requests:
            if !isInputOver, !MultiplexedPurpose.isAcceptance(headers) { refuse(context) }
        case .answers:
            // After the request there may be trailers, which say nothing.
            guard !isOpen else { return }
            guard let purpose = MultiplexedPurpose(request: headers) else { return refuse(context) }
            isOpen = true
            write(.headers(.init(headers: MultiplexedPurpose.acceptance)), context)
            if !isLast { write(.windowUpdate(windowSizeIncrement: Self.firstIncrement), context) }
            if !welcome(purpose, stream) { return refuse(context) }
            work(context)
        }
    }

    private func refuse(_ context: ChannelHandlerContext) {
        guard !isReset else { return }
        isOpen = true
        stream.reset(code: 0)
        work(context)
    }

    // MARK: Sending

    private func work(_ context: ChannelHandlerContext) {
        guard isOpen, !isReset else { return }
        var work = stream.takeWork(&spareBlocks)
        if let code = work.resetCode {
            isReset = true
            filling = nil
            window.close()
            write(.rstStream(MultiplexedPurpose.errorCode(ofReset: code)), context)
            return context.close(promise: nil)
        }
        for block in work.blocks {
            output.add(block.bytes)
            writeGathered(context, onlyLarge: true)
        }
        work.blocks.removeAll(keepingCapacity: true)
        swap(&spareBlocks, &work.blocks)
        if work.endsNow { isEndRequested = true }
        writeGathered(context)
        endOutputIfDone(context)
        credit(work.creditByteCount, context)
        deliverIfWanted()
    }

    private func writeGathered(_ context: ChannelHandlerContext, onlyLarge: Bool = false) {
        guard !isReset, let piece = output.takePiece(onlyLarge: onlyLarge) else { return }
        let count = piece.readableBytes
        write(.data(.init(data: .byteBuffer(piece))), context) { handler, context in
            handler.output.noteWritten()
            handler.stream.acknowledge(byteCount: count, isFinished: false)
            handler.writeGathered(context)
            handler.endOutputIfDone(context)
        }
    }

    private func endOutputIfDone(_ context: ChannelHandlerContext) {
        guard isEndRequested, !isEndWritten, !isReset, output.isEmpty else { return }
        isEndWritten = true
        write(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)), context) { handler, _ in
            handler.stream.acknowledge(byteCount: 0, isFinished: true)
        }
    }

    private func write(_ payload: HTTP2Frame.FramePayload, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(payload), promise: nil)
    }

    /// - Parameter onWritten: is called when it is on its way.
    private func write(
        _ payload: HTTP2Frame.FramePayload, _ context: ChannelHandlerContext,
        onWritten: @escaping @Sendable (MultiplexedStreamHandler, ChannelHandlerContext) -> Void
    ) {
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        written.futureResult.whenComplete { result in
            let (handler, context) = bound.value
            switch result {
            case .success: onWritten(handler, context)
            case .failure: handler.stream.fail(send: .closed("the connection was lost"), receive: nil)
            }
        }
        context.writeAndFlush(wrapOutboundOut(payload), promise: written)
    }

    // MARK: Receiving

    /// Lets the peer send more, since so many bytes were taken. After its end that would be an error of the connection.
    private func credit(_ count: Int, _ context: ChannelHandlerContext) {
        guard !isInputOver, !isReset, let increment = window.take(count) else { return }
        write(.windowUpdate(windowSizeIncrement: increment), context)
    }

    private func fill(_ buffer: ByteBuffer) {
        guard !isReset, !isInputOver else { return }
        buffer.withUnsafeReadableBytes { bytes in
            var rest = bytes
            while !rest.isEmpty {
                let block = filling ?? pool.take()
                filling = block
                let amount = min(rest.count, block.capacity - block.count)
                UnsafeMutableRawBufferPointer(rebasing: block.storage[block.count...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest.prefix(amount)))
                block.count += amount
                rest = UnsafeRawBufferPointer(rebasing: rest[amount...])
                if block.count == block.capacity { deliverFilling() }
            }
        }
    }

    private func endInput() {
        guard !isInputOver else { return }
        isInputOver = true
        window.close()
        deliverFilling()
        stream.deliverEnd()
    }

    /// A block that is not full is kept, to be filled, until somebody waits for it.
    private func deliverIfWanted() { if filling != nil, stream.notePartial() { deliverFilling() } }

    private func deliverFilling() {
        guard let block = filling.take(), block.count > 0 else { return }
        stream.deliver(block)
    }
}
