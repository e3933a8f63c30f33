internal import NIOCore
internal import SecureChannels

/// The sending direction of a TCP connection: blocks of the stream's writer go in, and to the socket as it takes them.
/// On the connection's event loop only.
final class TCPSender {
    /// How far the end of our direction is.
    private enum End {
        case open
        case requested
        case sent
        case acknowledged
    }

    /// How often to look whether everything is acknowledged, at first and at last.
    private static let acknowledgementIntervals = (TimeAmount.milliseconds(1), TimeAmount.milliseconds(20))
    /// How many buffers are kept for the next blocks.
    private static let spareBufferCount = 3
    /// After how many bytes to ask the kernel how many it still has.
    private static let samplingByteCount = 1 << 20

    private let codec: TCPCodec
    private let stream: BufferedByteStream
    private let link: TCPLink
    private let context: ChannelHandlerContext
    private let onDue: () -> Void
    private let onEnd: () -> Void

    private var blocks: [Block] = []
    private var blockIndex = 0
    /// How much of the first block is written.
    private var blockOffset = 0
    /// Holds the bytes back to the limit there is for them.
    private var bucket: TokenBucket?
    private var bucketTimer: Scheduled<Void>?
    private var spareBlocks: [Block] = []
    private var spareBuffers: [ByteBuffer] = []
    private var pendingWriteCount = 0
    private var unsampledByteCount = 0
    private var end = End.open
    private var acknowledgementTimer: Scheduled<Void>?
    private var isPumping = false
    private var isStopped = false

    /// Prepares the direction.
    ///
    /// - Parameters:
    ///   - onDue: is called when it is time for ``pump()`` again, after a limit has held bytes back.
    ///   - onEnd: is called once the peer's TCP has everything, and FIN is sent.
    init(
        codec: TCPCodec, stream: BufferedByteStream, link: TCPLink, context: ChannelHandlerContext,
        onDue: @escaping () -> Void, onEnd: @escaping () -> Void
    ) {
        self.codec = codec
        self.stream = stream
        self.link = link
        self.context = context
        self.onDue = onDue
        self.onEnd = onEnd
    }

    /// Whether the peer's TCP has everything, and FIN is sent.
    var isFinished: Bool { end == .acknowledged }

    /// Whether the peer has all that was written until now, as far as that matters to it: without protection the peer
    /// needs no end to have it all.
    var isEverythingTaken: Bool {
        if case .tls = codec, end == .open || end == .requested { return false }
        return TCPSocket(context).unacknowledgedByteCount == 0
    }

    /// Takes what the writer wants done.
    func takeWork() -> BufferedByteStream.Work {
        var work = stream.takeWork(&spareBlocks)
        blocks.append(contentsOf: work.blocks)
        swap(&spareBlocks, &work.blocks)
        spareBlocks.removeAll(keepingCapacity: true)
        if work.endsNow { requestEnd() }
        return work
    }

    /// Ends our direction after what was written.
    func requestEnd() { if end == .open { end = .requested } }

    /// Sends no more bytes of the stream each second than that, from now on.
    func limit(bytesPerSecond: UInt64?) {
        bucketTimer?.cancel()
        bucketTimer = nil
        bucket = bytesPerSecond.map { TokenBucket(bytesPerSecond: $0, now: NIODeadline.now().uptimeNanoseconds) }
    }

    /// Writes as long as the socket takes it, and the limit permits.
    func pump() throws(TLSError) {
        // A write may finish at once, and then this is called from within itself.
        guard !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        while !isStopped, let (block, range) = nextPiece() {
            var buffer = spareBuffers.popLast() ?? context.channel.allocator.buffer(capacity: range.count)
            buffer.clear()
            try codec.encode(UnsafeRawBufferPointer(rebasing: block.bytes[range]), into: &buffer)
            write(buffer, of: range.count)
        }
        guard !isStopped, end == .requested, blockIndex == blocks.count else { return }
        end = .sent
        codec.close()
        sendOutput()
        awaitAcknowledgement(Self.acknowledgementIntervals.0)
    }

    /// Sends what the protection has to say beside the stream's bytes.
    func sendOutput() {
        guard !isStopped else { return }
        var buffer = ByteBuffer()
        codec.takeOutput(into: &buffer)
        if buffer.readableBytes > 0 { write(buffer, of: 0) }
    }

    /// Whether bytes were written since the kernel was asked.
    var hasUnsampledBytes: Bool { unsampledByteCount > 0 }

    /// Asks the kernel how much of what it was given is not acknowledged.
    func sample() {
        unsampledByteCount = 0
        if let count = TCPSocket(context).unacknowledgedByteCount { link.store(unacknowledgedByteCount: count) }
    }

    /// The connection is over; nothing more is sent.
    func stop() {
        isStopped = true
        acknowledgementTimer?.cancel()
        bucketTimer?.cancel()
        blocks = []
        blockIndex = 0
    }

    /// What is written next: a block, or as much of it as the limit permits.
    private func nextPiece() -> (Block, Range<Int>)? {
        guard blockIndex < blocks.count, context.channel.isWritable else { return nil }
        let block = blocks[blockIndex]
        var range = blockOffset..<block.count
        if let allowance = bucket?.allowance(at: NIODeadline.now().uptimeNanoseconds) {
            guard allowance > 0 else {
                waitForBucket()
                return nil
            }
            range = range.prefix(allowance)
            bucket?.take(range.count)
        }
        blockOffset = range.upperBound
        if blockOffset == block.count { dropBlock() }
        return (block, range)
    }

    private func dropBlock() {
        blockOffset = 0
        blockIndex += 1
        if blockIndex == blocks.count {
            blocks.removeAll(keepingCapacity: true)
            blockIndex = 0
        } else if blockIndex >= 64 {
            blocks.removeFirst(blockIndex)
            blockIndex = 0
        }
    }

    private func waitForBucket() {
        guard bucketTimer == nil, let due = bucket?.wait() else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        bucketTimer = context.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(due)) {
            bound.value.bucketTimer = nil
            bound.value.onDue()
        }
    }

    /// Writes memory that has been written from before, and keeps it for the next: fresh pages cost more than a copy.
    private func write(_ buffer: ByteBuffer, of byteCount: Int) {
        pendingWriteCount += 1
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        written.futureResult.whenSuccess { [buffer] in
            bound.value.noteWritten(byteCount, buffer)
        }
        context.writeAndFlush(NIOAny(buffer), promise: written)
    }

    private func noteWritten(_ byteCount: Int, _ buffer: ByteBuffer) {
        pendingWriteCount -= 1
        if byteCount > 0, spareBuffers.count < Self.spareBufferCount { spareBuffers.append(buffer) }
        link.noteWritten(byteCount: buffer.readableBytes)
        unsampledByteCount += buffer.readableBytes
        if unsampledByteCount >= Self.samplingByteCount { sample() }
        stream.acknowledge(byteCount: byteCount, isFinished: false)
    }

    /// Waits until the peer's TCP has everything, for which there is no event, and sends FIN then.
    ///
    /// In that order, since NIO closes a socket on which both sides have sent FIN, and then nobody can ask it any more.
    private func awaitAcknowledgement(_ interval: TimeAmount) {
        guard !isStopped else { return }
        if pendingWriteCount == 0, TCPSocket(context).unacknowledgedByteCount == 0 {
            end = .acknowledged
            TCPSocket(context).endOutput()
            link.store(unacknowledgedByteCount: 0)
            stream.acknowledge(byteCount: 0, isFinished: true)
            return onEnd()
        }
        let next = min(TimeAmount.nanoseconds(interval.nanoseconds * 2), Self.acknowledgementIntervals.1)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        acknowledgementTimer = context.eventLoop.scheduleTask(in: interval) {
            bound.value.awaitAcknowledgement(next)
        }
    }
}
