package import Jingle
internal import NIOCore
internal import NIOPosix

extension SocketStream {
    /// How long a connection may take.
    private static let connectTimeout = TimeAmount.seconds(10)

    /// Connects to a TCP port or a Unix socket.
    ///
    /// - Throws: ``SocketError``.
    package static func connect(
        to address: ForwardAddress, budget: BlockBudget
    ) async throws(SocketError) -> SocketStream {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(connectTimeout)
        let prepare = { @Sendable (channel: any Channel) in
            channel.eventLoop.makeCompletedFuture { try SocketStream.takeOver(channel, budget: budget) }
        }
        do {
            switch address {
            case .tcp(let host, let port):
                return try await bootstrap.connect(host: host, port: Int(port), channelInitializer: prepare)
            case .unix(let path):
                return try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: prepare)
            }
        } catch {
            throw SocketError(error)
        }
    }
}
