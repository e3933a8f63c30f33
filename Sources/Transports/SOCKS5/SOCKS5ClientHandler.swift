// XEP-0065 § 5.3.2: the other part of SOCKS5, towards a stream host.
internal import NIOCore
internal import NIOPosix
internal import NIOSOCKS

/// Waits until a stream host has let us in.
///
/// It stands behind a `SOCKSClientHandler`, and leaves with it a connection that is held.
final class SOCKS5ClientHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let handshake: SOCKSClientHandler
    private let done: EventLoopPromise<any Channel>

    /// Prepares the handler of a connection.
    ///
    /// - Parameters:
    ///   - handshake: the handler before this one.
    ///   - done: is fulfilled with the channel, or fails with a `SOCKS5DialError`.
    init(handshake: SOCKSClientHandler, done: EventLoopPromise<any Channel>) {
        self.handshake = handshake
        self.done = done
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is SOCKSProxyEstablishedEvent:
            let operations = context.pipeline.syncOperations
            do {
                try operations.addHandler(HeldConnectionHandler(), position: .after(self))
            } catch {
                return fail(.brokenOff, context)
            }
            operations.removeHandler(self, promise: nil)
            operations.removeHandler(handshake, promise: nil)
            done.succeed(context.channel)
        case ChannelEvent.inputClosed: fail(.brokenOff, context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case is SOCKSError.ConnectionFailed, is SOCKSError.InvalidAuthenticationSelection: fail(.refused, context)
        case is IOError: fail(.brokenOff, context)
        default: fail(.notSOCKS5, context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(.brokenOff, context)
        context.fireChannelInactive()
    }

    private func fail(_ error: SOCKS5DialError, _ context: ChannelHandlerContext) {
        done.fail(error)
        context.close(promise: nil)
    }
}

/// Why a stream host cannot be used.
enum SOCKS5DialError: Error, Hashable {
    case unknownName
    case unreachable
    case noAnswer
    case brokenOff
    case refused
    case notSOCKS5
    /// It is this host, or none.
    case notAnotherHost

    /// The end of a sentence that begins with the stream host.
    var text: String {
        switch self {
        case .unknownName: "the name is not known"
        case .unreachable: "cannot be reached"
        case .noAnswer: "no answer"
        case .brokenOff: "broke the connection off"
        case .refused: "refuses the connection"
        case .notSOCKS5: "does not speak SOCKS5"
        case .notAnotherHost: "is not an address of another host"
        }
    }

    /// What an error of NIO's means.
    init(_ error: any Error) {
        switch error {
        case let error as SOCKS5DialError: self = error
        case ChannelError.connectTimeout: self = .noAnswer
        case let error as NIOConnectionError where error.connectionErrors.isEmpty:
            self = error.dnsAError as? SOCKS5DialError ?? .unknownName
        default: self = .unreachable
        }
    }
}
