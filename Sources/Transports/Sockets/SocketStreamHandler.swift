internal import NIOCore

/// Carries the bytes between a socket and a ``BufferedByteStream``, as they are. On the channel's event loop only.
///
/// It reads only while it can have blocks, and so only while what was read before gets on.
final class SocketStreamHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What tasks ask for, as an event in the pipeline.
    enum Request: Sendable { case work }

    private final class Link: ByteStreamCarrier {
        let creditThreshold = 64 << 10
        private let channel: any Channel
        init(channel: any Channel) { self.channel = channel }
        func enqueue(_ stream: BufferedByteStream) { channel.pipeline.fireUserInboundEventTriggered(Request.work) }
    }

    /// How many written bytes may wait for the socket.
    private static let highWater = 256 << 10
    /// How much is read from the socket at once: more as more comes. An idle connection keeps that memory.
    private static let readByteCounts = (2 << 10)...(64 << 10)

    let stream: BufferedByteStream
    private let share: BlockShare
    private var spareBlocks: [Block] = []
    private var filling: Block?
    /// What was read and has no block yet.
    private var input = ByteBuffer()
    private var isReadPending = false
    private var isInputOver = false
    private var isEndDelivered = false
    private var output = GatheredOutput()
    private var isEndRequested = false
    private var isEndSent = false
    private var isClosed = false

    init(channel: any Channel, budget: BlockBudget) {
        share = BlockShare(of: budget) { channel.pipeline.fireUserInboundEventTriggered(Request.work) }
        stream = BufferedByteStream(id: 0, carrier: Link(channel: channel), highWater: Self.highWater)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let options = context.channel.syncOptions
        try? options?.setOption(.autoRead, value: false)
        try? options?.setOption(.allowRemoteHalfClosure, value: true)
        try? options?.setOption(
            .recvAllocator,
            value: AdaptiveRecvByteBufferAllocator(
                minimum: Self.readByteCounts.lowerBound, initial: Self.readByteCounts.lowerBound,
                maximum: Self.readByteCounts.upperBound))
        try? options?.setOption(.maxMessagesPerRead, value: 1)
        if context.channel.isActive { readMore(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        readMore(context)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if input.readableBytes == 0 { input = buffer } else { input.writeImmutableBuffer(buffer) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReadPending = false
        drain()
        readMore(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case Request.work: work(context)
        case ChannelEvent.inputClosed:
            isInputOver = true
            drain()
            closeIfOver(context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(context, .closed("\(error)")) }

    func channelInactive(context: ChannelHandlerContext) {
        end(context, .closed("the connection was closed"))
        context.fireChannelInactive()
    }

    private func end(_ context: ChannelHandlerContext, _ error: ByteStreamError) {
        guard !isClosed else { return }
        isClosed = true
        // All of it, as blocks that are free later would find nobody. When the connection broke off NIO has read what the
        // kernel had, unless we write before it hears of it.
        drain(isLast: true)
        stream.fail(send: error, receive: error)
        context.close(promise: nil)
    }

    // MARK: Sending

    private func work(_ context: ChannelHandlerContext) {
        guard !isClosed else { return }
        var work = stream.takeWork(&spareBlocks)
        if work.resetCode != nil {
            isClosed = true
            filling = nil
            // Whoever is at the other end sees a connection that broke off, not one that ended. Unix sockets cannot tell.
            // After the end it has all that came before, and what it writes is refused.
            if !isEndSent { TCPSocket(context).abortOnClose() }
            return context.close(promise: nil)
        }
        for block in work.blocks {
            output.add(block.bytes)
            writeGathered(context, onlyLarge: true)
        }
        writeGathered(context)
        work.blocks.removeAll(keepingCapacity: true)
        swap(&spareBlocks, &work.blocks)
        if work.endsNow { isEndRequested = true }
        endOutputIfDone(context)
        drain()
        readMore(context)
        closeIfOver(context)
    }

    private func writeGathered(_ context: ChannelHandlerContext, onlyLarge: Bool = false) {
        guard let piece = output.takePiece(onlyLarge: onlyLarge) else { return }
        let count = piece.readableBytes
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        written.futureResult.whenSuccess {
            let (handler, context) = bound.value
            handler.output.noteWritten()
            handler.stream.acknowledge(byteCount: count, isFinished: false)
            handler.writeGathered(context)
            handler.endOutputIfDone(context)
        }
        context.writeAndFlush(wrapOutboundOut(piece), promise: written)
    }

    private func endOutputIfDone(_ context: ChannelHandlerContext) {
        guard isEndRequested, !isEndSent, output.isEmpty else { return }
        isEndSent = true
        // Not through NIO, which would close the whole connection if the program has ended its direction.
        TCPSocket(context).endOutput()
        stream.acknowledge(byteCount: 0, isFinished: true)
        closeIfOver(context)
    }

    private func closeIfOver(_ context: ChannelHandlerContext) {
        guard isEndSent, isEndDelivered, !isClosed else { return }
        isClosed = true
        context.close(promise: nil)
    }

    // MARK: Receiving

    private func readMore(_ context: ChannelHandlerContext) {
        guard !isReadPending, !isInputOver, !isClosed, input.readableBytes == 0, context.channel.isActive else {
            return
        }
        isReadPending = true
        context.read()
    }

    /// Puts what was read into blocks, as long as there are any, and hands over what is full or asked for.
    ///
    /// - Parameter isLast: whether there is no other time: all gets a block.
    private func drain(isLast: Bool = false) {
        while input.readableBytes > 0, let block = filling ?? (isLast ? share.takeAny() : share.take()) {
            filling = block
            let room = UnsafeMutableRawBufferPointer(rebasing: block.storage[block.count...])
            input.readWithUnsafeReadableBytes { bytes in
                let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(room.count))
                room.copyMemory(from: part)
                block.count += part.count
                return part.count
            }
            if block.count == block.capacity { deliverFilling() }
        }
        if input.readableBytes == 0 {
            input = ByteBuffer()
            if isInputOver, !isEndDelivered {
                isEndDelivered = true
                deliverFilling()
                return stream.deliverEnd()
            }
        }
        if filling != nil, isLast || stream.notePartial() { deliverFilling() }
    }

    private func deliverFilling() {
        guard let block = filling.take(), block.count > 0 else { return }
        stream.deliver(block)
    }
}
