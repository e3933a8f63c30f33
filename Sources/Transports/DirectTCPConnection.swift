internal import Glibc
internal import NIOCore
internal import SecureChannels
internal import Synchronization

/// A TCP connection with TLS 1.3 to one authenticated peer, for the one stream of one content.
///
/// Dropping the last reference closes it.
final class DirectTCPConnection: PeerConnection {
    /// What the connection's handler and the tasks that use it share.
    final class Link: ByteStreamCarrier {
        /// How many written bytes may wait for the socket.
        static let highWater = 4 << 20

        let creditThreshold = 1 << 20
        let channel: any Channel
        /// The shortest round trip TCP saw during the handshakes.
        let minimumRoundTripTime: Duration
        private let roundTripTime: Mutex<Duration>
        private let ended = AsyncStream.makeStream(of: Void.self)

        init(channel: any Channel, minimumRoundTripTime: Duration) {
            self.channel = channel
            self.minimumRoundTripTime = minimumRoundTripTime
            roundTripTime = Mutex(minimumRoundTripTime)
        }

        func enqueue(_ stream: BufferedByteStream) { request(.work) }

        func request(_ request: DirectTCPHandler.Request) {
            channel.pipeline.fireUserInboundEventTriggered(request)
        }

        func store(roundTripTime: Duration) { self.roundTripTime.withLock { $0 = roundTripTime } }

        var smoothedRoundTripTime: Duration { roundTripTime.withLock { $0 } }

        /// The peer has ended its direction, or the connection is over.
        func noteEnded() { ended.continuation.finish() }

        func waitUntilEnded() async { for await _ in ended.stream {} }
    }

    private let link: Link
    private let stream: BufferedByteStream
    private let pool: BlockPool
    private let initialPath: PathReport
    private let reasons = Mutex<[String]>([])

    init(link: Link, stream: BufferedByteStream, pool: BlockPool) {
        self.link = link
        self.stream = stream
        self.pool = pool
        let (local, remote) = (link.channel.localAddress, link.channel.remoteAddress)
        initialPath = PathReport(
            kind: .directTCP, ipVersion: remote?.protocol == .inet6 && remote?.mappedIPv4 == nil ? 6 : 4,
            localAddress: local?.text ?? "?", remoteAddress: remote?.text ?? "?")
    }

    deinit { link.channel.close(promise: nil) }

    /// The shortest round trip TCP saw during the handshakes.
    var minimumRoundTripTime: Duration { link.minimumRoundTripTime }

    /// Whether this is the connection of a channel.
    func uses(_ channel: any Channel) -> Bool { link.channel === channel }

    var path: PathReport {
        var path = initialPath
        path.roundTripTime = link.smoothedRoundTripTime
        path.reasons = reasons.withLock { $0 }
        return path
    }

    /// Notes why better paths were not taken.
    func explain(_ reasons: [String]) { self.reasons.withLock { $0 = reasons } }

    func openStream(contentName: String) async throws -> any ByteStream {
        guard let header = StreamHeader.encode(contentName: contentName) else {
            throw ByteStreamError.closed("the content's name is too long")
        }
        let block = pool.take()
        block.storage.copyBytes(from: header)
        block.count = header.count
        try await stream.write(block)
        return DirectTCPStream(stream: stream, connection: self)
    }

    func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        var parser = StreamHeaderParser()
        while let block = try await stream.read() {
            switch parser.consume(block.bytes) {
            case .incomplete: continue
            case .name(let name, let headerByteCount):
                if headerByteCount < block.count {
                    let rest = pool.take()
                    rest.storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: block.bytes[headerByteCount...]))
                    rest.count = block.count - headerByteCount
                    stream.putBack(rest)
                }
                return (name, DirectTCPStream(stream: stream, connection: self))
            case .malformed:
                stream.reset(code: 4)
                throw ByteStreamError.closed("the peer's stream header is malformed")
            }
        }
        throw ByteStreamError.closed("the peer closed the connection")
    }

    /// A code other than 0 aborts the connection; TCP does not carry it.
    func close(code: UInt64) async {
        if code == 0 { link.request(.close) } else { stream.reset(code: code) }
        try? await link.channel.closeFuture.get()
    }

    /// For one caller at a time.
    func waitUntilClosed() async throws {
        await link.waitUntilEnded()
        try Task.checkCancellation()
    }
}

/// The stream of a connection, which keeps the connection.
private final class DirectTCPStream: ByteStream {
    private let stream: BufferedByteStream
    private let connection: DirectTCPConnection

    init(stream: BufferedByteStream, connection: DirectTCPConnection) {
        self.stream = stream
        self.connection = connection
    }

    func read() async throws -> Block? { try await stream.read() }
    var unacknowledgedByteCount: Int { stream.unacknowledgedByteCount }
    func write(_ block: Block) async throws { try await stream.write(block) }
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
