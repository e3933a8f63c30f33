import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Carries TCP connections to a port of the loopback interface, until it is told to break them.
final class TestRelay: Sendable {
    private struct State {
        var isOpen = true
        var channels: [any Channel] = []
        var fate = Fate()
    }

    private let state = Mutex(State())
    private let target: Int
    private let server = Mutex<(any Channel)?>(nil)

    /// Begins to carry connections.
    init(to target: Int) async throws {
        self.target = target
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { [self] in accept($0) }
            .bind(host: "127.0.0.1", port: 0).get()
        server.withLock { $0 = channel }
    }

    /// Where it listens.
    var port: Int { server.withLock(\.self)?.localAddress?.port ?? 0 }

    private func accept(_ child: any Channel) -> EventLoopFuture<Void> {
        let fate = state.withLock { $0.isOpen ? $0.fate : nil }
        guard let fate else { return child.close() }
        return ClientBootstrap(group: child.eventLoop)
            .channelInitializer { upstream in
                upstream.eventLoop.makeCompletedFuture {
                    try upstream.pipeline.syncOperations.addHandler(Forwarder(to: child, fate))
                }
            }
            .connect(host: "127.0.0.1", port: target)
            .flatMapThrowing { [self] upstream in
                state.withLock { $0.channels += [child, upstream] }
                try child.pipeline.syncOperations.addHandler(Forwarder(to: upstream, fate))
            }
    }

    /// Breaks the connections off, for both sides.
    ///
    /// - Parameter isOpen: whether it carries others from now on.
    func cut(isOpen: Bool = true) {
        let channels = state.withLock { state in
            state.isOpen = isOpen
            defer { state.channels = [] }
            return state.channels
        }
        // What other tests start may have inherited the descriptors, without which a mere close would tell nobody.
        for channel in channels {
            channel.close(mode: .output).whenComplete { _ in channel.close(promise: nil) }
        }
    }

    /// Lets nothing more through over the connections there are, and tells neither side.
    func silence() {
        state.withLock { state in
            state.fate.isSilent.store(true, ordering: .sequentiallyConsistent)
            state.fate = Fate()
        }
    }

    /// Carries connections again.
    func reopen() { state.withLock { $0.isOpen = true } }

    func stop() {
        cut(isOpen: false)
        server.withLock(\.self)?.close(promise: nil)
    }
}

/// What becomes of the connections of a time.
private final class Fate: Sendable {
    let isSilent = Atomic(false)
}

/// Gives what comes to another channel of the same event loop, and its end.
private final class Forwarder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let other: any Channel
    private let fate: Fate

    init(to other: any Channel, _ fate: Fate) {
        self.other = other
        self.fate = fate
    }

    private var isSilent: Bool { fate.isSilent.load(ordering: .sequentiallyConsistent) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !isSilent { other.writeAndFlush(unwrapInboundIn(data), promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isSilent { other.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
