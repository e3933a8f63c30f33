internal import Glibc
internal import ICE
internal import Jingle
internal import NIOCore
internal import NIOPosix
internal import SecureChannels
internal import Synchronization

/// Looks for TCP connections to a peer for the length of a negotiation: listens, dials what the peer signalled, and lets
/// only the peer in.
///
/// Order of use: ``description()`` for the offer or answer, ``start(role:peerFingerprint:remote:)`` once the peer's is
/// there, then ``connections``. End with ``close(except:)``.
final class DirectTCPTransport: Sendable {
    /// How long the peer may take to answer a dial. The kernel repeats it after a second, and then after two more.
    static let dialLimit = Duration.milliseconds(2500)
    /// How many connections may be unauthenticated at a time.
    static let unauthenticatedLimit = 16
    /// How many addresses are signalled, and dialled.
    static let addressLimit = 8

    /// The authenticated connections, for one reader.
    let connections: AsyncStream<TCPConnection>

    private let certificate: DeviceCertificate
    private let ownAddresses: [ICEAddress]
    private let allowsLoopback: Bool
    private let handshakeLimit: Duration
    private let silenceLimit: Duration
    private let pool: BlockPool
    private let loop: any EventLoop
    private let listener: EventLoopFuture<any Channel>
    private let arrived: AsyncStream<TCPConnection>.Continuation
    private let state = Mutex(State())

    private struct State {
        var setup: TCPSetup?
        var unauthenticatedCount = 0
        var channels: [ObjectIdentifier: any Channel] = [:]
        var obstacles: [String] = []
        var isClosed = false
    }

    /// Starts to listen; nobody is let in before ``start(role:peerFingerprint:remote:)``.
    ///
    /// - Parameters:
    ///   - addresses: the addresses of this host that the peer may be told.
    ///   - handshakeLimit: how long a connection may be unauthenticated.
    ///   - silenceLimit: after how much silence a connection is dead, in whole seconds.
    ///   - allowsLoopback: whether loopback addresses, and our own, may be dialled; for tests.
    init(
        certificate: DeviceCertificate, addresses: [ICEAddress], allowsLoopback: Bool = false,
        handshakeLimit: Duration = .seconds(5), silenceLimit: Duration = .seconds(20), pool: BlockPool = BlockPool(),
        loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    ) {
        self.certificate = certificate
        self.ownAddresses = addresses
        self.allowsLoopback = allowsLoopback
        self.handshakeLimit = handshakeLimit
        self.silenceLimit = silenceLimit
        self.pool = pool
        self.loop = loop
        (connections, arrived) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.unauthenticatedLimit))
        let acceptor = Acceptor()
        listener = Self.listen("::", acceptor, loop).flatMapError { _ in
            // A host without IPv6.
            Self.listen("0.0.0.0", acceptor, loop)
        }
        acceptor.owner.withLock { $0.transport = self }
    }

    deinit {
        arrived.finish()
        listener.whenSuccess { $0.close(promise: nil) }
        for channel in state.withLock({ $0.channels.values }) { channel.close(promise: nil) }
    }

    /// Refers to the transport from its listener without keeping it.
    private final class Acceptor: Sendable {
        struct Owner: Sendable { weak var transport: DirectTCPTransport? }
        let owner = Mutex(Owner())
    }

    private static func listen(
        _ host: String, _ acceptor: Acceptor, _ loop: any EventLoop
    ) -> EventLoopFuture<any Channel> {
        ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: Int32(unauthenticatedLimit))
            .serverChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                acceptor.owner.withLock { $0.transport }?.admit(channel) ?? channel.close()
            }
            .bind(host: host, port: 0)
    }

    /// Where the peer may dial; `nil` when there is no such place.
    func description() async -> ICEQUICTransportDescription.Direct? {
        guard !ownAddresses.isEmpty, let port = try? await listener.get().localAddress?.port,
            let port = UInt16(exactly: port)
        else { return nil }
        return ICEQUICTransportDescription.Direct(
            port: port, addresses: ownAddresses.prefix(Self.addressLimit).map(\.ip))
    }

    /// Lets the peer in, and dials its addresses.
    func start(
        role: TLSPeerEngine.Role, peerFingerprint: Fingerprint, remote: ICEQUICTransportDescription.Direct?
    ) {
        let setup = TCPSetup(
            protection: .tls(role: role, certificate: certificate, peerFingerprint: peerFingerprint),
            kind: .directTCP, pool: pool, handshakeLimit: handshakeLimit, silenceLimit: silenceLimit)
        state.withLock { $0.setup = setup }
        listener.whenSuccess { $0.setOption(.autoRead, value: true).whenFailure { _ in } }
        guard let remote else { return }
        for address in dialled(of: remote) { dial(address) }
    }

    /// Why there is no connection, as far as is known; one sentence each.
    var obstacles: [String] { state.withLock { $0.obstacles } }

    /// How many connections have a place but have not authenticated themselves.
    var unauthenticatedCount: Int { state.withLock { $0.unauthenticatedCount } }

    /// Stops to listen and to dial, and closes every connection but one.
    func close(except chosen: TCPConnection? = nil) {
        let channels = state.withLock { state in
            state.isClosed = true
            defer { state.channels = [:] }
            return state.channels.values.filter { channel in chosen.map { !$0.uses(channel) } ?? true }
        }
        arrived.finish()
        listener.whenSuccess { $0.close(promise: nil) }
        for channel in channels { channel.close(promise: nil) }
    }

    /// Waits until nobody can connect any more.
    func waitUntilClosed() async throws { try await listener.get().closeFuture.get() }

    /// The peer's addresses that can be another host's.
    func dialled(of remote: ICEQUICTransportDescription.Direct) -> [ICEAddress] {
        var addresses: [ICEAddress] = []
        for text in remote.addresses.prefix(Self.addressLimit) {
            guard let address = ICEAddress(ip: text, port: remote.port), address.isUnicast, !address.isLinkLocal,
                !addresses.contains(address)
            else { continue }
            let isHere = address.isLoopback || ownAddresses.contains { $0.ip == address.ip }
            if !isHere || allowsLoopback { addresses.append(address) }
        }
        return addresses
    }

    private func dial(_ address: ICEAddress) {
        guard let target = try? NIOCore.SocketAddress(ipAddress: address.ip, port: Int(address.port)) else { return }
        ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(Int64(clamping: Self.dialLimit.nanoseconds)))
            .channelInitializer { [weak self] channel in
                self?.admit(channel, isDialled: true, to: address) ?? channel.close()
            }
            .connect(to: target)
            .whenFailure { [weak self] error in
                let why = if case ChannelError.connectTimeout = error { "no answer" } else { "cannot be reached" }
                self?.note("\(address): \(why)")
            }
    }

    /// Gives a new connection its handler; there is no more than that for whoever is not the peer.
    private func admit(
        _ channel: any Channel, isDialled: Bool = false, to address: ICEAddress? = nil
    ) -> EventLoopFuture<Void> {
        let setup = state.withLock { state -> TCPSetup? in
            guard !state.isClosed, let setup = state.setup else { return nil }
            let isFull =
                state.unauthenticatedCount >= Self.unauthenticatedLimit
                || state.channels.count >= 2 * Self.unauthenticatedLimit
            guard isDialled || !isFull else { return nil }
            if !isDialled { state.unauthenticatedCount += 1 }
            state.channels[ObjectIdentifier(channel)] = channel
            return setup
        }
        guard let setup else { return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        let handler = TCPStreamHandler(setup) { [weak self] result in
            if !isDialled { self?.state.withLock { $0.unauthenticatedCount -= 1 } }
            switch result {
            case .success(let connection): self?.arrived.yield(connection)
            case .failure(let error):
                // Strangers who dial us are no obstacle, and a dial that fails says so itself.
                if let address, !(error is ChannelError) { self?.note("\(address): \(ByteStreamError(error))") }
            }
        }
        channel.closeFuture.whenComplete { [weak self] _ in
            self?.state.withLock { _ = $0.channels.removeValue(forKey: ObjectIdentifier(channel)) }
        }
        return channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler) }
    }

    private func note(_ obstacle: String) {
        state.withLock { state in
            if state.obstacles.count < Self.addressLimit { state.obstacles.append(obstacle) }
        }
    }
}
