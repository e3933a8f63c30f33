// XEP-0065 § 5.3.2: the stream host's part of SOCKS5 (RFC 1928).
internal import NIOCore
internal import NIOSOCKS
internal import SecureChannels

/// Lets whoever knows the destination address in, and closes all other connections.
///
/// It stands behind a `SOCKSServerHandshakeHandler`, and leaves with it a connection that is held.
final class SOCKS5ServerHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ClientMessage
    typealias OutboundOut = ServerMessage

    private let destination: String
    private let limit: TimeAmount
    private let handshake: SOCKSServerHandshakeHandler
    private let admitted: (any Channel, HeldConnectionHandler) -> Void
    private var timer: Scheduled<Void>?
    private var isOver = false

    /// Prepares the handler of a connection.
    ///
    /// - Parameters:
    ///   - destination: the address asked for by those who are let in.
    ///   - limit: how long they may take to ask.
    ///   - handshake: the handler before this one.
    ///   - admitted: is called on the event loop, just before the peer learns that it was let in.
    init(
        destination: String, limit: Duration, handshake: SOCKSServerHandshakeHandler,
        admitted: @escaping (any Channel, HeldConnectionHandler) -> Void
    ) {
        self.destination = destination
        self.limit = .nanoseconds(Int64(clamping: limit.nanoseconds))
        self.handshake = handshake
        self.admitted = admitted
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // The handler before this one hands on bytes, not messages, when a connection has ended in the middle of one.
        guard !isOver else { return }
        switch unwrapInboundIn(data) {
        case .greeting(let greeting):
            guard greeting.methods.contains(.noneRequired) else {
                return refuse(.selectedAuthenticationMethod(.init(method: .noneAcceptable)), context)
            }
            send(.selectedAuthenticationMethod(.init(method: .noneRequired)), context)
            // It keeps a request that came in one piece with the greeting until it is called again.
            context.pipeline.syncOperations.fireChannelRead(NIOAny(ByteBuffer()))
        case .request(let request): answer(request, context)
        case .authenticationData: context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event, !isOver { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end()
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    private func answer(_ request: SOCKSRequest, _ context: ChannelHandlerContext) {
        guard request.command == .connect else {
            return refuse(.response(.init(reply: .commandUnsupported, boundAddress: request.addressType)), context)
        }
        guard case .domain(let name, _) = request.addressType, name.lowercased() == destination else {
            return refuse(.response(.init(reply: .notAllowed, boundAddress: request.addressType)), context)
        }
        end()
        let held = HeldConnectionHandler()
        admitted(context.channel, held)
        // The address and port are those asked for.
        send(.response(.init(reply: .succeeded, boundAddress: request.addressType)), context)
        let operations = context.pipeline.syncOperations
        do {
            try operations.addHandler(held, position: .after(self))
        } catch {
            return context.close(promise: nil)
        }
        // In this order, so that bytes that came early reach the last one.
        operations.removeHandler(self, promise: nil)
        operations.removeHandler(handshake, promise: nil)
    }

    private func end() {
        isOver = true
        timer?.cancel()
    }

    private func send(_ message: ServerMessage, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(message), promise: nil)
    }

    private func refuse(_ message: ServerMessage, _ context: ChannelHandlerContext) {
        end()
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(message), promise: written)
    }
}
