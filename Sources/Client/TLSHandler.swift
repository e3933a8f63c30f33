internal import Glibc
internal import NIOCore
internal import SecureChannels

/// Carries the bytes of one connection, as they are at first, and through TLS once it was told to.
///
/// It must be in the pipeline from the start: only so can it tell whether anything arrived unencrypted that the
/// reader had not seen when TLS began, and that would otherwise pass for encrypted (RFC 6120 § 5.4.3.3).
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What TLS came to.
    struct Result: Sendable {
        var version: String
        var applicationProtocol: String?
        var exporterChannelBinding: [UInt8]?
        var uniqueChannelBinding: [UInt8]?
    }

    /// Why TLS cannot begin.
    enum Refusal: Error, Sendable {
        /// Something came unencrypted after both sides had agreed on TLS.
        case unencryptedBytes
        /// The connection ended.
        case connectionEnded
    }

    private enum Mode {
        case plain(receivedByteCount: Int)
        case handshaking(TLSEngine, EventLoopPromise<Result>)
        case secure(TLSEngine)
        case over
    }

    private var mode = Mode.plain(receivedByteCount: 0)
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        end(context, with: nil)
    }

    /// Begins TLS. The future fails with `TLSError` or `Refusal`, and then the connection is closed.
    ///
    /// - Parameter consumedByteCount: how many unencrypted bytes the reader has seen in all.
    func start(_ configuration: TLSConfiguration, consumedByteCount: Int) -> EventLoopFuture<Result>? {
        guard let context else { return nil }
        let promise = context.eventLoop.makePromise(of: Result.self)
        guard case .plain(consumedByteCount) = mode else {
            promise.fail(Refusal.unencryptedBytes)
            end(context, with: nil)
            return promise.futureResult
        }
        do throws(TLSError) {
            mode = .handshaking(try TLSEngine(configuration), promise)
            sendOutput(context)
        } catch {
            promise.fail(error)
            end(context, with: nil)
        }
        return promise.futureResult
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        switch mode {
        case .plain(let count):
            mode = .plain(receivedByteCount: count + buffer.readableBytes)
            context.fireChannelRead(data)
        case .handshaking(let engine, _), .secure(let engine):
            do throws(TLSError) {
                let plaintext = try buffer.withUnsafeReadableBytes { (bytes) throws(TLSError) in
                    try engine.receive(bytes)
                }
                sendOutput(context)
                finishHandshake(engine)
                if !plaintext.isEmpty { context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: plaintext))) }
                if engine.state == .closedByPeer { context.close(promise: nil) }
            } catch {
                sendOutput(context)
                end(context, with: error)
            }
        case .over: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        acknowledgeAtOnce(context)
        context.fireChannelReadComplete()
    }

    /// A server that sends two small things in a row may keep the second until the first is acknowledged, which the
    /// kernel delays by 40 ms. It forgets this wish whenever something is sent.
    private func acknowledgeAtOnce(_ context: ChannelHandlerContext) {
        let option = ChannelOptions.Types.SocketOption(level: .tcp, name: NIOBSDSocket.Option(rawValue: TCP_QUICKACK))
        try? context.channel.syncOptions?.setOption(option, value: 1)
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch mode {
        case .handshaking(let engine, _), .secure(let engine):
            do throws(TLSError) {
                try engine.endOfInput()
                end(context, with: nil)
            } catch {
                end(context, with: error)
            }
        case .plain, .over: break
        }
        context.fireChannelInactive()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .plain: context.write(data, promise: promise)
        case .secure(let engine):
            do throws(TLSError) {
                try unwrapOutboundIn(data).withUnsafeReadableBytes { (bytes) throws(TLSError) in
                    try engine.send(bytes)
                }
                context.write(wrapOutboundOut(ByteBuffer(bytes: engine.takeOutput())), promise: promise)
            } catch {
                promise?.fail(error)
                end(context, with: error)
            }
        case .handshaking, .over: promise?.fail(ChannelError.ioOnClosedChannel)
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if case .secure(let engine) = self.mode, mode != .input {
            engine.close()
            sendOutput(context)
        }
        context.close(mode: mode, promise: promise)
    }

    private func finishHandshake(_ engine: TLSEngine) {
        guard case .handshaking(_, let promise) = mode, engine.state != .handshaking else { return }
        mode = .secure(engine)
        promise.succeed(
            Result(
                version: engine.version, applicationProtocol: engine.applicationProtocol,
                exporterChannelBinding: engine.exporterChannelBinding,
                uniqueChannelBinding: engine.uniqueChannelBinding))
    }

    private func sendOutput(_ context: ChannelHandlerContext) {
        switch mode {
        case .handshaking(let engine, _), .secure(let engine):
            let output = engine.takeOutput()
            if !output.isEmpty { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: output)), promise: nil) }
        case .plain, .over: break
        }
    }

    private func end(_ context: ChannelHandlerContext, with error: TLSError?) {
        let last = mode
        mode = .over
        switch last {
        case .handshaking(_, let promise): promise.fail(error ?? Refusal.connectionEnded)
        case .plain, .secure, .over: break
        }
        if let error, case .secure = last { context.fireErrorCaught(error) }
        if context.channel.isActive { context.close(promise: nil) }
    }
}
