// Wire/Forward.md: one connection and its stream.
import Jingle
import Transports

/// One connection that is forwarded.
struct ForwardedConnection: Sendable {
    /// Where it leads to, and where it comes from, for messages.
    let address: ForwardAddress
    let origin: String
    let report: @Sendable (ForwardEvent) -> Void

    /// Opens a stream for a connection that has come here, and joins them until both directions are over. When the peer
    /// refuses, the connection is aborted.
    func open(over link: ForwardLink, _ request: ForwardRequest, from local: SocketStream) async {
        do {
            let opened = try await link.open(request)
            await run(opened.stream, first: opened.first, target: local, comesFromHere: true)
        } catch {
            local.reset(code: 0)
            switch error {
            case let refused as ForwardRefused: report(.refused(address, refused.reason))
            case is CancellationError: break
            default: report(.broken(address, "\(error)"))
            }
        }
    }

    /// Joins a stream to a socket, until both directions are over.
    ///
    /// - Parameters:
    ///   - first: bytes of the stream that have been read already.
    ///   - comesFromHere: whether the address is at the stream's end, not the socket's.
    func run(
        _ stream: any ByteStream, first: Block?, target local: SocketStream, comesFromHere: Bool = false
    ) async {
        report(.opened(address, from: origin))
        do {
            if let first { try await local.write(first) }
            let counts = try await stream.join(local, resettingWith: ForwardLink.brokenCode)
            let toSocket = counts.forth + UInt64(first?.count ?? 0)
            report(
                comesFromHere
                    ? .ended(address, sent: counts.back, received: toSocket)
                    : .ended(address, sent: toSocket, received: counts.back))
        } catch {
            stream.reset(code: ForwardLink.brokenCode)
            local.reset(code: 0)
            report(.broken(address, Self.words(error)))
        }
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case ByteStreamError.reset: "the peer broke it off"
        case ByteStreamError.closed(let why), ByteStreamError.pathLost(let why): why
        case is CancellationError: "it was ended here"
        default: "\(error)"
        }
    }
}
