internal import Glibc
internal import NIOCore
internal import NIOHTTP2
internal import NIOPosix

/// The HTTP/2 channel of a ``MultiplexedConnection``, and the bytes it exchanges with the base stream.
///
/// NIO's HTTP/2 works on channels, and a channel on a descriptor: so it has one end of a pair of sockets, and what comes out
/// at the other end goes over the base stream.
struct MultiplexedLink: Sendable {
    /// The bytes of HTTP/2.
    let bytes: SocketStream
    private let allowance: WindowAllowance
    private let channel: any Channel
    private let multiplexer: NIOHTTP2Handler.StreamMultiplexer

    /// Makes the pair, and lets `configure` set up the HTTP/2 end.
    ///
    /// - Throws: `ByteStreamError`, errors of NIO.
    static func make(
        allowance: WindowAllowance,
        configure: @escaping @Sendable (any Channel) throws -> NIOHTTP2Handler.StreamMultiplexer
    ) async throws -> MultiplexedLink {
        var ends: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw ByteStreamError.closed("no descriptor left")
        }
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let bytes: SocketStream
        do {
            bytes = try await bootstrap.withConnectedSocket(ends[0]) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try SocketStream.takeOver(channel, budget: BlockBudget(sharedCount: 64))
                }
            }
        } catch {
            for end in ends { Glibc.close(end) }
            throw error
        }
        do {
            let (channel, multiplexer) = try await bootstrap.withConnectedSocket(ends[1]) { channel in
                channel.eventLoop.makeCompletedFuture { (channel, try configure(channel)) }
            }
            return MultiplexedLink(bytes: bytes, allowance: allowance, channel: channel, multiplexer: multiplexer)
        } catch {
            Glibc.close(ends[1])
            throw error
        }
    }

    /// Opens an HTTP/2 stream, as the client.
    ///
    /// - Throws: errors of NIO.
    func open(_ purpose: MultiplexedPurpose, pool: BlockPool) async throws -> BufferedByteStream {
        let (channel, multiplexer, allowance) = (channel, multiplexer, allowance)
        let promise = channel.eventLoop.makePromise(of: BufferedByteStream.self)
        channel.eventLoop.execute {
            // Otherwise the stream would wait for ever for a connection that is over.
            guard channel.isActive else { return promise.fail(ChannelError.ioOnClosedChannel) }
            multiplexer.createStreamChannel(promise: nil) { child in
                child.eventLoop.makeCompletedFuture {
                    let handler = MultiplexedStreamHandler(
                        .requests(purpose), channel: child, pool: pool, allowance: allowance)
                    try child.pipeline.syncOperations.addHandler(handler)
                    promise.succeed(handler.stream)
                }.flatMapErrorThrowing { error in
                    promise.fail(error)
                    throw error
                }
            }
        }
        return try await promise.futureResult.get()
    }

    /// Calls `body` once the channel is closed.
    func whenClosed(_ body: @escaping @Sendable () -> Void) { channel.closeFuture.whenComplete { _ in body() } }

    /// The shortest round trip there was.
    var roundTripTime: Duration? { allowance.roundTrip }

    /// Sends nothing more; what was handed to HTTP/2 before still gets out.
    func end() { channel.close(mode: .output, promise: nil) }

    /// Ends HTTP/2 at once.
    func close() { channel.close(promise: nil) }
}
