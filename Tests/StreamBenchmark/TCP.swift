import Glibc
import NIOCore
import NIOPosix
import SecureChannels
import Transports

/// One TCP connection with TLS, as direct TCP and SOCKS5 have it.
func runTCP(_ arguments: Arguments, _ ends: Ends) async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let connected = group.any().makePromise(of: TCPConnection.self)
    let setup = TCPSetup(
        protection: .tls(
            role: arguments.isSender ? .client : .server, certificate: ends.certificate, peerFingerprint: ends.peer),
        kind: .directTCP, pool: BlockPool())
    let initializer = { @Sendable (channel: any Channel) in
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(TCPStreamHandler(setup) { connected.completeWith($0) })
        }
    }
    if arguments.isSender {
        _ = try await ClientBootstrap(group: group).channelInitializer(initializer)
            .connect(to: NIOCore.SocketAddress(arguments.remoteAddress)).get()
        let connection = try await connected.futureResult.get()
        let blocks = makeBlocks(BlockPool())
        let stream = try await connection.openStream(contentName: "benchmark")
        let measurement = Measurement()
        let byteCount = try await send(arguments.byteCount, blocks, on: stream)
        measurement.report(isSender: true, byteCount: byteCount)
        try await connection.waitUntilClosed()
    } else {
        let listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer(initializer).bind(to: NIOCore.SocketAddress(arguments.localAddress)).get()
        let connection = try await connected.futureResult.get()
        let (_, stream) = try await connection.acceptStream()
        let measurement = Measurement()
        measurement.report(isSender: false, byteCount: try await receive(from: stream))
        await connection.close()
        try await listener.close()
    }
}
