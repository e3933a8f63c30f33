package import NIOCore
internal import SecureChannels

/// Makes a ``TCPConnection`` of a channel, whether it is active already or will be, and carries the connection's stream
/// from then on. It is to be the last handler.
///
/// It reads only while the stream's reader keeps up, and writes only what the socket will take soon.
package final class TCPStreamHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// What tasks ask for, as events in the pipeline.
    enum Request: Sendable {
        /// The stream has work.
        case work
        /// Send no faster than that; `nil` for as fast as the socket takes it.
        case limit(bytesPerSecond: UInt64?)
        /// End our direction after what was written, then the connection.
        case close
    }

    /// How much is read from the socket at once.
    private static let readByteCount = 256 << 10
    /// How much NIO may be given at once to write to the socket.
    private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 256 << 10, high: 512 << 10)
    /// How long the end of a connection may wait for the peer to take what was written.
    private static let closingLimit = Duration.seconds(1)
    /// How often to look at the connection: while bytes are sent or wait for their acknowledgement, and else.
    private static let inspectionIntervals = (Duration.milliseconds(100), Duration.seconds(1))

    /// An open connection.
    private struct Open {
        let link: TCPLink
        let stream: BufferedByteStream
        let sender: TCPSender
        let receiver: TCPReceiver
    }

    private enum Phase {
        case idle
        case handshaking(TLSPeerEngine)
        case open(Open)
        case over
    }

    private enum Timer {
        case handshake
        case inspection
        case gathering
        case closing
    }

    private let setup: TCPSetup
    private var outcome: ((Result<TCPConnection, any Error>) -> Void)?
    private var phase = Phase.idle
    private var timers: [Timer: Scheduled<Void>] = [:]
    private var isReadPending = false
    /// With protection, how much the socket is to have before it tells, and what it was told last.
    private var threshold: TCPReadThreshold?
    private var awaitedByteCount = 1
    private var isCloseRequested = false

    /// Prepares the handler of a connection.
    ///
    /// - Parameter outcome: is called once, on the event loop, when the handler has been added to a channel; while it is
    ///   being added, if the channel is active and there is no protection.
    package init(_ setup: TCPSetup, outcome: @escaping (Result<TCPConnection, any Error>) -> Void) {
        self.setup = setup
        self.outcome = outcome
    }

    // MARK: Events of the channel

    package func handlerAdded(context: ChannelHandlerContext) {
        let options = context.channel.syncOptions
        try? options?.setOption(.allowRemoteHalfClosure, value: true)
        try? options?.setOption(
            .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.readByteCount))
        try? options?.setOption(.writeBufferWaterMark, value: Self.waterMark)
        if context.channel.isActive { begin(context) }
    }

    package func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        buffer.withUnsafeReadableBytes { threshold?.noteRead($0) }
        switch phase {
        case .handshaking(let engine): handshake(engine, buffer, context)
        case .open(let open): attempt(open, context) { (receiver) throws(TLSError) in try receiver.receive(buffer) }
        case .idle, .over: break
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        threshold?.finishReading(now: NIODeadline.now().uptimeNanoseconds)
        awaitInput(context)
        context.fireChannelReadComplete()
    }

    package func read(context: ChannelHandlerContext) {
        if case .open(let open) = phase, open.receiver.isPaused { isReadPending = true } else { context.read() }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .open(let open) = phase { pump(open, context) }
        context.fireChannelWritabilityChanged()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            switch phase {
            case .idle, .handshaking: end(context, TLSError.truncated)
            case .open(let open):
                attempt(open, context) { (receiver) throws(TLSError) in try receiver.endInput() }
            case .over: break
            }
        case Request.work: if case .open(let open) = phase { work(open, context) }
        case Request.limit(let bytesPerSecond):
            guard case .open(let open) = phase else { return }
            open.sender.limit(bytesPerSecond: bytesPerSecond)
            pump(open, context)
        case Request.close: close(context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) { end(context, error) }

    package func channelInactive(context: ChannelHandlerContext) {
        end(context, TLSError.truncated)
        context.fireChannelInactive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        end(context, ByteStreamError.closed("the connection was closed here"))
    }

    // MARK: The connection's life

    private func begin(_ context: ChannelHandlerContext) {
        guard case .idle = phase else { return }
        TCPSocket(context).prepare(silenceLimit: setup.silenceLimit)
        switch setup.protection {
        case .none: open(.plain, context)
        case .tls(let role, let certificate, let peerFingerprint):
            do throws(TLSError) {
                let engine = try TLSPeerEngine(
                    role: role, certificate: certificate, peerFingerprint: peerFingerprint)
                phase = .handshaking(engine)
                threshold = TCPReadThreshold(now: NIODeadline.now().uptimeNanoseconds)
                set(.handshake, after: setup.handshakeLimit, context) { handler, context in
                    guard case .handshaking = handler.phase else { return }
                    handler.end(context, ByteStreamError.pathLost("the peer did not finish the handshake in time"))
                }
                sendOutput(of: engine, context)
            } catch {
                return end(context, error)
            }
        }
        // Whoever had the channel before may have read only as much as it wanted.
        try? context.channel.syncOptions?.setOption(.autoRead, value: true)
    }

    private func handshake(_ engine: TLSPeerEngine, _ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        do throws(TLSError) {
            try bytes.withUnsafeReadableBytes { (bytes) throws(TLSError) in try engine.receive(bytes) }
            sendOutput(of: engine, context)
            if engine.state == .established { open(.tls(engine), context) }
        } catch {
            sendOutput(of: engine, context)
            end(context, error)
        }
    }

    private func sendOutput(of engine: TLSPeerEngine, _ context: ChannelHandlerContext) {
        var buffer = ByteBuffer()
        TCPCodec.tls(engine).takeOutput(into: &buffer)
        if buffer.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }
    }

    private func open(_ codec: TCPCodec, _ context: ChannelHandlerContext) {
        let link = TCPLink(
            channel: context.channel,
            minimumRoundTripTime: TCPSocket(context).state?.minimumRoundTripTime ?? .seconds(Int64.max))
        let stream = BufferedByteStream(id: 0, carrier: link, highWater: TCPLink.highWater)
        let sender = TCPSender(
            codec: codec, isProxied: setup.isProxied, stream: stream, link: link, context: context
        ) { [unowned self] in
            if case .open(let open) = phase { pump(open, context) }
        } onEnd: { [unowned self] in
            closeIfOver(context)
        }
        let receiver = TCPReceiver(codec: codec, stream: stream, pool: setup.pool)
        let open = Open(link: link, stream: stream, sender: sender, receiver: receiver)
        phase = .open(open)
        inspect(context)
        settle(.success(TCPConnection(link: link, stream: stream, setup: setup)))
        // The end of the handshake may have come with the stream's first bytes.
        attempt(open, context) { (receiver) throws(TLSError) in try receiver.receive(ByteBuffer()) }
    }

    private func settle(_ result: Result<TCPConnection, any Error>) {
        outcome?(result)
        outcome = nil
    }

    /// Looks at the connection now and then: nothing else would tell of a path that dies while data waits, nor of
    /// acknowledgements.
    private func inspect(_ context: ChannelHandlerContext) {
        guard case .open(let open) = phase else { return }
        if let state = TCPSocket(context).state {
            open.link.store(state.statistics)
            if let silence = state.unansweredFor, silence > setup.silenceLimit {
                return end(context, ByteStreamError.pathLost("nothing was heard from the peer"))
            }
        }
        // Where little is sent at a time all may be acknowledged whenever one looks.
        let isSending = open.sender.hasUnsampledBytes
        open.sender.sample()
        let isWaiting = isSending || open.link.unacknowledgedByteCount > 0
        set(.inspection, after: isWaiting ? Self.inspectionIntervals.0 : Self.inspectionIntervals.1, context) {
            $0.inspect($1)
        }
    }

    /// Ends the connection; after the first time this does nothing.
    private func end(_ context: ChannelHandlerContext, _ error: any Error) {
        let last = phase
        phase = .over
        threshold = nil
        for timer in timers.values { timer.cancel() }
        timers = [:]
        switch last {
        case .idle: settle(.failure(ChannelError.ioOnClosedChannel))
        case .handshaking: settle(.failure(error))
        case .open(let open):
            open.receiver.flush()
            let error = ByteStreamError(error)
            let isPathLost = if case .pathLost = error { true } else { false }
            open.stream.fail(
                send: error, receive: error, isTaken: !isPathLost && open.sender.isEverythingTaken)
            open.sender.stop()
            open.link.noteEnded()
        case .over: return
        }
        if context.channel.isActive { context.close(promise: nil) }
    }

    /// Closes the connection when both directions have ended, or when it was asked to and ours has.
    private func closeIfOver(_ context: ChannelHandlerContext) {
        guard case .open(let open) = phase, open.sender.isFinished else { return }
        guard isCloseRequested || isOver(open.receiver) else { return }
        end(context, ByteStreamError.closed("the connection was closed here"))
    }

    /// Whether nothing more comes from the peer: after the end of its direction FIN follows, unless there is a proxy.
    private func isOver(_ receiver: TCPReceiver) -> Bool {
        receiver.isFinished && (receiver.isInputOver || setup.isProxied)
    }

    private func close(_ context: ChannelHandlerContext) {
        guard case .open(let open) = phase else {
            return end(context, ByteStreamError.closed("the connection was closed here"))
        }
        isCloseRequested = true
        open.sender.requestEnd()
        set(.closing, after: Self.closingLimit, context) {
            $0.end($1, ByteStreamError.closed("the connection was closed here"))
        }
        pump(open, context)
        closeIfOver(context)
    }

    // MARK: The stream's bytes

    private func work(_ open: Open, _ context: ChannelHandlerContext) {
        let work = open.sender.takeWork()
        if work.resetCode != nil {
            TCPSocket(context).abortOnClose()
            return end(context, ByteStreamError.closed("the connection was closed here"))
        }
        attempt(open, context) { (receiver) throws(TLSError) in
            try receiver.credit(byteCount: work.creditByteCount)
        }
        if isReadPending, !open.receiver.isPaused {
            isReadPending = false
            context.read()
        }
        pump(open, context)
    }

    /// Tells the socket how much it is to have before it tells us.
    private func awaitInput(_ context: ChannelHandlerContext) {
        guard let threshold else { return }
        if threshold.byteCount != awaitedByteCount {
            awaitedByteCount = threshold.byteCount
            TCPSocket(context).awaitInput(byteCount: awaitedByteCount)
        }
        guard let deadline = threshold.deadline, timers[.gathering] == nil else { return }
        let now = NIODeadline.now().uptimeNanoseconds
        set(.gathering, after: .nanoseconds(deadline > now ? deadline - now : 0), context) { handler, context in
            handler.timers[.gathering] = nil
            handler.threshold?.expire(now: NIODeadline.now().uptimeNanoseconds)
            handler.awaitInput(context)
        }
    }

    private func pump(_ open: Open, _ context: ChannelHandlerContext) {
        do throws(TLSError) { try open.sender.pump() } catch { end(context, error) }
    }

    /// Lets the receiver do something, and does what follows from it.
    private func attempt(
        _ open: Open, _ context: ChannelHandlerContext, _ body: (TCPReceiver) throws(TLSError) -> Void
    ) {
        do throws(TLSError) {
            try body(open.receiver)
            open.sender.sendOutput()
        } catch {
            open.sender.sendOutput()
            return end(context, error)
        }
        if isOver(open.receiver) {
            open.link.noteEnded()
            closeIfOver(context)
        }
    }

    private func set(
        _ timer: Timer, after delay: Duration, _ context: ChannelHandlerContext,
        _ body: @escaping @Sendable (TCPStreamHandler, ChannelHandlerContext) -> Void
    ) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timers[timer] = context.eventLoop.scheduleTask(in: .nanoseconds(Int64(clamping: delay.nanoseconds))) {
            body(bound.value.0, bound.value.1)
        }
    }
}
