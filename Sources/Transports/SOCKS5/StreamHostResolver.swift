internal import ICE
internal import NIOCore
internal import NIOPosix

/// Looks one stream host up, and leaves out the addresses that may not be dialled, before anything is connected.
///
/// A name of which nothing is left is no name of another host.
final class StreamHostResolver: Resolver, Sendable {
    private let addresses: EventLoopFuture<[ICEAddress]>

    /// Begins to look a name up; an address in any form that the system reads is one too.
    init(host: String, port: UInt16, loop: any EventLoop, mayDial: @escaping @Sendable (ICEAddress) -> Bool) {
        let found = loop.makePromise(of: [ICEAddress].self)
        NameLookup.start(host: host, port: port) { found.succeed($0) }
        addresses = found.futureResult.flatMapThrowing { addresses in
            let permitted = addresses.filter(mayDial)
            guard !permitted.isEmpty || addresses.isEmpty else { throw SOCKS5DialError.notAnotherHost }
            return permitted
        }
    }

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[NIOCore.SocketAddress]> { answer(.ipv4) }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[NIOCore.SocketAddress]> { answer(.ipv6) }

    func cancelQueries() {}

    private func answer(_ family: ICEAddress.Family) -> EventLoopFuture<[NIOCore.SocketAddress]> {
        addresses.flatMapThrowing { addresses in
            try addresses.filter { $0.family == family }.map {
                try NIOCore.SocketAddress(ipAddress: $0.ip, port: Int($0.port))
            }
        }
    }
}
