internal import Glibc
package import Jingle
internal import NIOCore
internal import SecureChannels
internal import Synchronization

/// A TCP connection to one peer, for the one stream of one content.
///
/// Dropping the last reference closes it.
package final class TCPConnection: PeerConnection {
    private let link: TCPLink
    private let stream: BufferedByteStream
    private let setup: TCPSetup
    private let initialPath: PathReport
    private let reasons = Mutex<[String]>([])

    init(link: TCPLink, stream: BufferedByteStream, setup: TCPSetup) {
        self.link = link
        self.stream = stream
        self.setup = setup
        let (local, remote) = (link.channel.localAddress, link.channel.remoteAddress)
        let isEncrypted = if case .tls = setup.protection { true } else { false }
        initialPath = PathReport(
            kind: setup.kind, isEndToEndEncrypted: isEncrypted,
            ipVersion: remote?.protocol == .inet6 && remote?.mappedIPv4 == nil ? 6 : 4,
            localAddress: local?.text ?? "?", remoteAddress: remote?.text ?? "?")
    }

    deinit { link.channel.close(promise: nil) }

    /// The shortest round trip TCP saw before the stream was open.
    var minimumRoundTripTime: Duration { link.minimumRoundTripTime }

    /// Whether this is the connection of a channel.
    func uses(_ channel: any Channel) -> Bool { link.channel === channel }

    package var path: PathReport {
        var path = initialPath
        path.roundTripTime = link.smoothedRoundTripTime
        path.reasons = reasons.withLock { $0 }
        return path
    }

    package var statistics: CarrierStatistics { link.statistics }

    /// Notes why better paths were not taken.
    func explain(_ reasons: [String]) { self.reasons.withLock { $0 = reasons } }

    package func openStream(contentName: String) async throws -> any ByteStream {
        if case .none = setup.protection { return TCPStream(stream: stream, link: link, connection: self) }
        try await stream.writeHeader(contentName: contentName, pool: setup.pool)
        return TCPStream(stream: stream, link: link, connection: self)
    }

    package func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        if case .none(let name) = setup.protection {
            return (name, TCPStream(stream: stream, link: link, connection: self))
        }
        let name = try await stream.readHeader(pool: setup.pool)
        return (name, TCPStream(stream: stream, link: link, connection: self))
    }

    package func limitSending(to limit: RateLimit?) async {
        link.request(.limit(bytesPerSecond: limit?.bytesPerSecond))
    }

    /// A code other than 0 aborts the connection; TCP does not carry it.
    package func close(code: UInt64) async {
        if code == 0 { link.request(.close) } else { stream.reset(code: code) }
        try? await link.channel.closeFuture.get()
    }

    /// For one caller at a time.
    package func waitUntilClosed() async throws {
        await link.waitUntilEnded()
        try Task.checkCancellation()
    }
}

/// The stream of a connection, which keeps the connection.
private final class TCPStream: ByteStream {
    private let stream: BufferedByteStream
    private let link: TCPLink
    private let connection: TCPConnection

    init(stream: BufferedByteStream, link: TCPLink, connection: TCPConnection) {
        self.stream = stream
        self.link = link
        self.connection = connection
    }

    func read() async throws -> Block? { try await stream.read() }
    var unacknowledgedByteCount: Int { stream.unacknowledgedByteCount + link.unacknowledgedByteCount }
    func write(_ block: Block) async throws { try await stream.write(block) }
    func flush() async throws { try await stream.flush() }
    func finish() async throws { try await stream.finish() }
    func reset(code: UInt64) { stream.reset(code: code) }
}

extension ByteStreamError {
    /// What an error of a TCP connection means to its stream.
    init(_ error: any Error) {
        switch error {
        case let error as ByteStreamError: self = error
        case let error as TLSError:
            switch error {
            case .peerNotAuthenticated, .refusedByPeer: self = .peerNotAuthenticated(error.description)
            case .truncated: self = .closed("the connection was cut off")
            default: self = .closed(error.description)
            }
        case let error as IOError where [ETIMEDOUT, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode):
            self = .pathLost("nothing was heard from the peer")
        default: self = .closed("the peer broke the connection off")
        }
    }
}

extension NIOCore.SocketAddress {
    /// The IPv4 address in an IPv4-mapped IPv6 address, as a socket for both families reports it.
    var mappedIPv4: String? {
        guard let address = ipAddress, address.hasPrefix("::ffff:"), address.contains(".") else { return nil }
        return String(address.dropFirst(7))
    }

    /// The address and port for a person to read.
    var text: String? {
        guard let address = ipAddress, let port else { return nil }
        if let mapped = mappedIPv4 { return "\(mapped):\(port)" }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
