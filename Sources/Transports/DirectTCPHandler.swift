internal import CLinux
internal import Glibc
internal import NIOCore
internal import SecureChannels

/// Carries the one stream of a TCP connection through TLS, on the connection's event loop.
///
/// It reads only while the stream's reader keeps up, and encrypts only what the socket will take soon.
final class DirectTCPHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What tasks ask for, as events in the pipeline.
    enum Request: Sendable {
        /// The stream has work.
        case work
        /// End our direction after what was written, then the connection.
        case close
    }

    /// What a connection needs to begin.
    struct Setup: Sendable {
        let role: TLSPeerEngine.Role
        let certificate: DeviceCertificate
        let peerFingerprint: Fingerprint
        let pool: BlockPool
        /// How long the handshake may take.
        let handshakeLimit: TimeAmount
    }

    /// How many received bytes may wait for their reader.
    private static let unreadLimit = 4 << 20
    /// How long the end of a connection may wait for the peer to take what was written.
    private static let closingLimit = TimeAmount.seconds(1)
    /// How often to look at the connection, and after how much silence it is dead.
    private static let inspectionInterval = TimeAmount.seconds(1)
    private static let silenceLimitMilliseconds: UInt32 = 20_000
    /// How often to look whether everything is acknowledged, at first and at last.
    private static let acknowledgementIntervals = (TimeAmount.milliseconds(1), TimeAmount.milliseconds(20))

    /// How many buffers are kept for the next blocks.
    private static let spareBufferCount = 3

    private enum Phase {
        case connecting
        case handshaking(TLSPeerEngine)
        case open(TLSPeerEngine, DirectTCPConnection.Link, BufferedByteStream)
        case over
    }

    private enum Timer {
        case handshake
        case inspection
        case acknowledgement
        case closing
    }

    private let setup: Setup
    private var outcome: ((Result<DirectTCPConnection, any Error>) -> Void)?
    private var phase = Phase.connecting
    private var timers: [Timer: Scheduled<Void>] = [:]

    private var outgoing: [Block] = []
    private var outgoingIndex = 0
    private var spareBlocks: [Block] = []
    private var spareBuffers: [ByteBuffer] = []
    private var isPumping = false
    private var isEndRequested = false
    private var isEndSent = false
    private var isEndWritten = false
    private var isEndAcknowledged = false
    private var isCloseRequested = false

    private var filling: Block?
    private var unreadByteCount = 0
    private var isPaused = false
    private var isReadPending = false
    private var isInputOver = false
    private var isReceiveFinished = false

    /// Prepares the handler of a connection.
    ///
    /// - Parameter outcome: is called once, on the event loop.
    init(_ setup: Setup, outcome: @escaping (Result<DirectTCPConnection, any Error>) -> Void) {
        self.setup = setup
        self.outcome = outcome
    }

    // MARK: Events of the channel

    func channelActive(context: ChannelHandlerContext) {
        _ = withSocket(context) { sleigh_tcp_prepare($0) }
        do throws(TLSError) {
            let engine = try TLSPeerEngine(
                role: setup.role, certificate: setup.certificate, peerFingerprint: setup.peerFingerprint)
            phase = .handshaking(engine)
            set(.handshake, after: setup.handshakeLimit, context) { handler, context in
                guard case .handshaking = handler.phase else { return }
                handler.end(context, ByteStreamError.pathLost("the peer did not finish the handshake in time"))
            }
            sendOutput(of: engine, context)
        } catch {
            end(context, error)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        switch phase {
        case .handshaking(let engine), .open(let engine, _, _):
            do throws(TLSError) {
                try buffer.withUnsafeReadableBytes { (bytes) throws(TLSError) in try engine.receive(bytes) }
                if case .handshaking = phase {
                    sendOutput(of: engine, context)
                    if engine.state == .established { open(engine, context) }
                }
                drain(context)
            } catch {
                sendOutput(of: engine, context)
                end(context, error)
            }
        case .connecting, .over: break
        }
    }

    func read(context: ChannelHandlerContext) {
        if isPaused { isReadPending = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump(context)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            isInputOver = true
            switch phase {
            case .connecting, .handshaking: end(context, TLSError.truncated)
            case .open(_, let link, _) where isReceiveFinished:
                link.noteEnded()
                closeIfOver(context)
            case .open: drain(context)
            case .over: break
            }
        case Request.work: work(context)
        case Request.close: close(context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // When both sides have sent FIN this is no error, and what came before may still wait for its reader.
        if isInputOver { drain(context, ignoringLimit: true) }
        end(context, error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isInputOver = true
        drain(context, ignoringLimit: true)
        end(context, TLSError.truncated)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(context, ByteStreamError.closed("the connection was closed here"))
    }

    // MARK: The connection's life

    private func open(_ engine: TLSPeerEngine, _ context: ChannelHandlerContext) {
        let state = tcpState(context)
        let link = DirectTCPConnection.Link(
            channel: context.channel,
            minimumRoundTripTime: .microseconds(Int64(state?.minimum_round_trip_us ?? .max)))
        let stream = BufferedByteStream(id: 0, carrier: link, highWater: DirectTCPConnection.Link.highWater)
        phase = .open(engine, link, stream)
        inspect(link, context)
        settle(.success(DirectTCPConnection(link: link, stream: stream, pool: setup.pool)))
    }

    private func settle(_ result: Result<DirectTCPConnection, any Error>) {
        outcome?(result)
        outcome = nil
    }

    /// Looks at the connection now and then: nothing else would tell of a path that dies while data waits.
    private func inspect(_ link: DirectTCPConnection.Link, _ context: ChannelHandlerContext) {
        if let state = tcpState(context) {
            link.store(roundTripTime: .microseconds(Int64(state.round_trip_us)))
            // A peer whose window is closed answers probes, though ever more rarely.
            let isUnanswered = state.unacknowledged > 0 || state.probes > 1
            if isUnanswered, state.silence_ms > Self.silenceLimitMilliseconds {
                return end(context, ByteStreamError.pathLost("nothing was heard from the peer"))
            }
        }
        set(.inspection, after: Self.inspectionInterval, context) { $0.inspect(link, $1) }
    }

    /// Ends the connection; after the first time this does nothing.
    private func end(_ context: ChannelHandlerContext, _ error: any Error) {
        let last = phase
        phase = .over
        for timer in timers.values { timer.cancel() }
        timers = [:]
        outgoing = []
        switch last {
        case .connecting: settle(.failure(ChannelError.ioOnClosedChannel))
        case .handshaking: settle(.failure(error))
        case .open(_, let link, let stream):
            let error = ByteStreamError(error)
            stream.fail(send: error, receive: error)
            link.noteEnded()
        case .over: return
        }
        if context.channel.isActive { context.close(promise: nil) }
    }

    /// Closes the connection when both directions have ended, or when it was asked to.
    private func closeIfOver(_ context: ChannelHandlerContext) {
        guard isEndWritten, isCloseRequested || isEndAcknowledged && isReceiveFinished && isInputOver else { return }
        end(context, ByteStreamError.closed("the connection was closed here"))
    }

    private func close(_ context: ChannelHandlerContext) {
        guard case .open = phase else { return end(context, ByteStreamError.closed("the connection was closed here")) }
        isCloseRequested = true
        isEndRequested = true
        set(.closing, after: Self.closingLimit, context) {
            $0.end($1, ByteStreamError.closed("the connection was closed here"))
        }
        pump(context)
        closeIfOver(context)
    }

    // MARK: Sending

    private func work(_ context: ChannelHandlerContext) {
        guard case .open(_, _, let stream) = phase else { return }
        let work = stream.takeWork(&spareBlocks)
        if work.resetCode != nil {
            _ = withSocket(context) { sleigh_tcp_abort_on_close($0) }
            return end(context, ByteStreamError.closed("the connection was closed here"))
        }
        outgoing.append(contentsOf: work.blocks)
        spareBlocks = work.blocks
        spareBlocks.removeAll(keepingCapacity: true)
        if work.endsNow { isEndRequested = true }
        unreadByteCount -= work.creditByteCount
        deliverFilling(to: stream)
        if isPaused, unreadByteCount <= Self.unreadLimit / 2 {
            isPaused = false
            drain(context)
            if !isPaused, isReadPending {
                isReadPending = false
                context.read()
            }
        }
        pump(context)
    }

    /// Encrypts and writes as long as the socket takes it.
    private func pump(_ context: ChannelHandlerContext) {
        // A write may finish at once, and then this is called from within itself.
        guard case .open(let engine, _, let stream) = phase, !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        while case .open = phase, outgoingIndex < outgoing.count, context.channel.isWritable {
            let block = outgoing[outgoingIndex]
            outgoingIndex += 1
            if outgoingIndex == outgoing.count {
                outgoing.removeAll(keepingCapacity: true)
                outgoingIndex = 0
            } else if outgoingIndex >= 64 {
                outgoing.removeFirst(outgoingIndex)
                outgoingIndex = 0
            }
            do throws(TLSError) {
                try engine.send(block.bytes)
            } catch {
                return end(context, error)
            }
            sendOutput(of: engine, context, acknowledging: block.count, of: stream)
        }
        guard case .open = phase, isEndRequested, !isEndSent, outgoingIndex == outgoing.count else { return }
        sendEnd(engine, stream, context)
    }

    /// Sends `close_notify` and, once the peer's TCP has everything, FIN.
    ///
    /// In that order, since NIO closes a socket on which both sides have sent FIN, and then nobody can ask it any more.
    private func sendEnd(_ engine: TLSPeerEngine, _ stream: BufferedByteStream, _ context: ChannelHandlerContext) {
        isEndSent = true
        engine.close()
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        written.futureResult.whenSuccess {
            let (handler, context) = bound.value
            guard case .open = handler.phase else { return }
            handler.isEndWritten = true
            handler.closeIfOver(context)
            handler.awaitAcknowledgement(stream, Self.acknowledgementIntervals.0, context)
        }
        sendOutput(of: engine, context, promise: written)
    }

    /// Waits until the peer's TCP has everything, for which there is no event.
    private func awaitAcknowledgement(
        _ stream: BufferedByteStream, _ interval: TimeAmount, _ context: ChannelHandlerContext
    ) {
        guard case .open = phase else { return }
        if withSocket(context, { sleigh_tcp_unacknowledged($0) }) == 0 {
            isEndAcknowledged = true
            // Not through NIO, which would close the whole connection as soon as the peer ends its direction too.
            _ = withSocket(context) { shutdown($0, CInt(SHUT_WR)) }
            stream.acknowledge(byteCount: 0, isFinished: true)
            return closeIfOver(context)
        }
        let next = min(TimeAmount.nanoseconds(interval.nanoseconds * 2), Self.acknowledgementIntervals.1)
        set(.acknowledgement, after: interval, context) { $0.awaitAcknowledgement(stream, next, $1) }
    }

    /// Writes the records of a block, into memory that has been written from before: fresh pages cost more than the copy.
    private func sendOutput(
        of engine: TLSPeerEngine, _ context: ChannelHandlerContext, acknowledging byteCount: Int,
        of stream: BufferedByteStream
    ) {
        let outputByteCount = engine.outputByteCount
        var buffer = spareBuffers.popLast() ?? context.channel.allocator.buffer(capacity: outputByteCount)
        buffer.clear()
        _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: outputByteCount) { engine.takeOutput(into: $0) }
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        written.futureResult.whenSuccess { [buffer] in
            let handler = bound.value
            if handler.spareBuffers.count < Self.spareBufferCount { handler.spareBuffers.append(buffer) }
            stream.acknowledge(byteCount: byteCount, isFinished: false)
        }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: written)
    }

    private func sendOutput(
        of engine: TLSPeerEngine, _ context: ChannelHandlerContext, promise: EventLoopPromise<Void>? = nil
    ) {
        let byteCount = engine.outputByteCount
        guard byteCount > 0 else {
            promise?.succeed()
            return
        }
        var buffer = context.channel.allocator.buffer(capacity: byteCount)
        _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCount) { engine.takeOutput(into: $0) }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: promise)
    }

    // MARK: Receiving

    /// Decrypts into blocks and hands full ones over.
    private func drain(_ context: ChannelHandlerContext, ignoringLimit: Bool = false) {
        guard case .open(let engine, let link, let stream) = phase, !isReceiveFinished else { return }
        do throws(TLSError) {
            while ignoringLimit || unreadByteCount < Self.unreadLimit {
                let block = filling ?? setup.pool.take()
                filling = block
                let room = UnsafeMutableRawBufferPointer(rebasing: block.storage[block.count...])
                let byteCount = try engine.read(into: room)
                if byteCount == 0 { break }
                block.count += byteCount
                if block.count == block.capacity { deliverFilling(to: stream) }
            }
            if !ignoringLimit, unreadByteCount >= Self.unreadLimit {
                isPaused = true
                return
            }
            if engine.state == .closedByPeer {
                deliverFilling(to: stream)
                isReceiveFinished = true
                stream.deliverEnd()
                if isInputOver { link.noteEnded() }
                closeIfOver(context)
            } else if isInputOver {
                try engine.endOfInput()
            } else if let filling, filling.count > 0, stream.notePartial() {
                deliverFilling(to: stream)
            }
            if engine.outputByteCount > 0 { sendOutput(of: engine, context) }
        } catch {
            deliverFilling(to: stream)
            sendOutput(of: engine, context)
            end(context, error)
        }
    }

    private func deliverFilling(to stream: BufferedByteStream) {
        guard let block = filling, block.count > 0 else { return }
        filling = nil
        unreadByteCount += block.count
        stream.deliver(block)
    }

    // MARK: The socket

    private func tcpState(_ context: ChannelHandlerContext) -> sleigh_tcp_state? {
        var state = sleigh_tcp_state()
        return withSocket(context) { sleigh_tcp_state($0, &state) } == 0 ? state : nil
    }

    /// Calls with the descriptor, unless the channel is closed.
    private func withSocket(_ context: ChannelHandlerContext, _ body: (CInt) -> CInt) -> CInt? {
        guard context.channel.isActive else { return nil }
        return try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self, body)
    }

    private func set(
        _ timer: Timer, after delay: TimeAmount, _ context: ChannelHandlerContext,
        _ body: @escaping @Sendable (DirectTCPHandler, ChannelHandlerContext) -> Void
    ) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timers[timer] = context.eventLoop.scheduleTask(in: delay) { body(bound.value.0, bound.value.1) }
    }
}
