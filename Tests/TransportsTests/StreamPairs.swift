import CLinux
import Glibc
import Jingle
import NIOCore
import NIOPosix
import Testing

@testable import Transports

/// The two ends of a pair of sockets.
func socketStreams() async throws -> (SocketStream, SocketStream) {
    var ends: [CInt] = [-1, -1]
    try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    var streams: [SocketStream] = []
    for end in ends {
        streams.append(
            try await bootstrap.withConnectedSocket(end) { channel in
                channel.eventLoop.makeCompletedFuture { try SocketStream.takeOver(channel, budget: BlockBudget()) }
            })
    }
    return (streams[0], streams[1])
}
