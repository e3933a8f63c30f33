internal import ICE
internal import NIOCore
internal import NIOPosix
internal import NIOSOCKS
internal import SecureChannels
internal import Synchronization

/// The TCP connections of a bytestream that is being negotiated: those the peer makes to us, and those we make to stream
/// hosts. SOCKS5 is said on each of them; then it is held until one is taken.
///
/// End with ``close(except:)``.
final class SOCKS5Sockets: Sendable {
    /// How many connections may be in the middle of SOCKS5, and how many may have said it.
    static let unauthenticatedLimit = 16
    static let admittedLimit = 8

    /// How long things may take.
    struct Limits: Sendable {
        /// For the connection. The kernel repeats a dial after a second.
        var dial = Duration.seconds(2)
        /// From then to the end of SOCKS5.
        var answer = Duration.seconds(3)
        /// For somebody who has connected to us to say SOCKS5.
        var admission = Duration.seconds(5)
    }

    /// What a connection is, from its beginning to its end.
    private enum Part {
        /// Made to us, and has not said SOCKS5.
        case stranger
        /// Made to us, and let in as the numbered one.
        case guest(number: Int, NIOLoopBound<HeldConnectionHandler>)
        /// Made by us in a dial.
        case dialled(Int)
    }

    private struct State {
        var listener: EventLoopFuture<any Channel>?
        var connections: [ObjectIdentifier: (channel: any Channel, part: Part)] = [:]
        var guestCount = 0
        /// The dials that are under way.
        var dials: Set<Int> = []
        var dialCount = 0
        var isClosed = false

        var strangerCount: Int { connections.values.count { if case .stranger = $0.part { true } else { false } } }

        var guests: [(number: Int, channel: any Channel, held: NIOLoopBound<HeldConnectionHandler>)] {
            connections.values.compactMap { connection in
                guard case .guest(let number, let held) = connection.part else { return nil }
                return (number, connection.channel, held)
            }.sorted { $0.number < $1.number }
        }
    }

    private let limits: Limits
    private let ownAddresses: [ICEAddress]
    private let allowsLoopback: Bool
    private let loop: any EventLoop
    private let state = Mutex(State())

    /// Creates the place for connections.
    ///
    /// - Parameters:
    ///   - ownAddresses: addresses of this host, which are not dialled.
    ///   - allowsLoopback: whether loopback addresses, and our own, may be dialled; for tests.
    init(
        ownAddresses: [ICEAddress], allowsLoopback: Bool = false, limits: Limits = Limits(),
        loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    ) {
        self.ownAddresses = ownAddresses
        self.allowsLoopback = allowsLoopback
        self.limits = limits
        self.loop = loop
    }

    deinit { close() }

    /// How many connections have a place but have not said SOCKS5.
    var unauthenticatedCount: Int { state.withLock { $0.strangerCount } }

    /// How many connections there are.
    var connectionCount: Int { state.withLock { $0.connections.count } }

    // MARK: Those who connect to us

    /// Listens until the end, and lets in whoever asks for that destination address. Call it once.
    ///
    /// - Returns: the port; `nil` when there is none.
    func listen(destination: String) async -> UInt16? {
        let listener = bind("::", destination).flatMapError { _ in
            // A host without IPv6.
            self.bind("0.0.0.0", destination)
        }
        let isClosed = state.withLock { state in
            state.listener = listener
            return state.isClosed
        }
        if isClosed { listener.whenSuccess { $0.close(promise: nil) } }
        return (try? await listener.get())?.localAddress?.port.flatMap { UInt16(exactly: $0) }
    }

    /// Waits until nobody can connect any more.
    func waitUntilClosed() async throws {
        try await state.withLock { $0.listener }?.get().closeFuture.get()
    }

    private func bind(_ host: String, _ destination: String) -> EventLoopFuture<any Channel> {
        ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: Int32(Self.unauthenticatedLimit))
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [weak self] channel in
                self?.receive(channel, destination) ?? channel.close()
            }
            .bind(host: host, port: 0)
    }

    private func receive(_ channel: any Channel, _ destination: String) -> EventLoopFuture<Void> {
        let isWelcome = state.withLock { state in
            guard !state.isClosed, state.strangerCount < Self.unauthenticatedLimit,
                state.guests.count < Self.admittedLimit
            else { return false }
            state.connections[ObjectIdentifier(channel)] = (channel, .stranger)
            return true
        }
        guard isWelcome else { return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        forgetAtEnd(channel)
        return channel.eventLoop.makeCompletedFuture {
            let handshake = SOCKSServerHandshakeHandler()
            let server = SOCKS5ServerHandler(
                destination: destination, limit: limits.admission, handshake: handshake
            ) { [weak self] channel, held in
                let held = NIOLoopBound(held, eventLoop: channel.eventLoop)
                self?.state.withLock { state in
                    state.guestCount += 1
                    state.connections[ObjectIdentifier(channel)]?.part = .guest(number: state.guestCount, held)
                }
            }
            try channel.pipeline.syncOperations.addHandlers(handshake, server)
        }
    }

    private func forgetAtEnd(_ channel: any Channel) {
        channel.closeFuture.whenComplete { [weak self] _ in
            self?.state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }
        }
    }

    /// The connection the peer made to one of our addresses; to another if need be, since there may be a NAT on the way.
    /// The last one: the peer may have given earlier ones up.
    func admitted(at address: String) async -> (any Channel)? {
        let guests = state.withLock { $0.guests }
        let live = try? await loop.submit { guests.filter { !$0.held.value.isAbandoned }.map(\.channel) }.get()
        let channels = live ?? []
        return channels.last { ($0.localAddress?.mappedIPv4 ?? $0.localAddress?.ipAddress) == address }
            ?? channels.last
    }

    // MARK: Those we connect to

    /// Whether a stream host the peer names may be dialled: it is not plainly this host or none.
    func mayDial(_ host: String) -> Bool {
        guard let address = ICEAddress(ip: host, port: 0) else {
            // A name: where it leads is looked at when it is dialled.
            return true
        }
        return mayDial(address)
    }

    private func mayDial(_ address: ICEAddress) -> Bool {
        guard address.isUnicast, !address.isLinkLocal else { return false }
        return allowsLoopback || !address.isLoopback && !ownAddresses.contains { $0.ip == address.ip }
    }

    /// Connects to a stream host and asks it for a destination address.
    ///
    /// - Parameter isTrusted: whether it may be any address, since the peer has not named it.
    /// - Throws: `SOCKS5DialError`, `CancellationError`.
    func dial(
        host: String, port: UInt16, destination: String, isTrusted: Bool = false
    ) async throws -> any Channel {
        let id = state.withLock { state -> Int? in
            guard !state.isClosed else { return nil }
            state.dialCount += 1
            state.dials.insert(state.dialCount)
            return state.dialCount
        }
        guard let id else { throw CancellationError() }
        let done = loop.makePromise(of: (any Channel).self)
        let limit = TimeAmount.nanoseconds(Int64(clamping: limits.dial.nanoseconds))
        let answerLimit = TimeAmount.nanoseconds(Int64(clamping: limits.answer.nanoseconds))
        let timer = loop.scheduleTask(in: limit + answerLimit) { done.fail(SOCKS5DialError.noAnswer) }
        let resolver = StreamHostResolver(host: host, port: port, loop: loop) { [weak self] address in
            isTrusted || self?.mayDial(address) ?? false
        }
        ClientBootstrap(group: loop)
            .resolver(resolver)
            .connectTimeout(limit)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { [weak self] channel in
                self?.admit(channel, dial: id) ?? channel.close()
            }
            .connect(host: host, port: Int(port))
            .flatMapThrowing { channel in
                let handshake = SOCKSClientHandler(targetAddress: .domain(destination, port: 0))
                let client = SOCKS5ClientHandler(handshake: handshake, done: done)
                try channel.pipeline.syncOperations.addHandlers(handshake, client)
            }
            .whenFailure { done.fail(SOCKS5DialError($0)) }
        do {
            let channel = try await withTaskCancellationHandler {
                try await done.futureResult.get()
            } onCancel: {
                done.fail(CancellationError())
            }
            timer.cancel()
            endDial(id, except: channel)
            return channel
        } catch {
            timer.cancel()
            endDial(id)
            throw error
        }
    }

    private func admit(_ channel: any Channel, dial: Int) -> EventLoopFuture<Void> {
        let isWanted = state.withLock { state in
            guard !state.isClosed, state.dials.contains(dial) else { return false }
            state.connections[ObjectIdentifier(channel)] = (channel, .dialled(dial))
            return true
        }
        guard isWanted else { return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        forgetAtEnd(channel)
        return channel.eventLoop.makeSucceededVoidFuture()
    }

    private func endDial(_ id: Int, except chosen: (any Channel)? = nil) {
        let others = state.withLock { state in
            state.dials.remove(id)
            return state.connections.values.compactMap { channel, part -> (any Channel)? in
                guard case .dialled(id) = part else { return nil }
                return chosen.map { $0 === channel } ?? false ? nil : channel
            }
        }
        for channel in others { channel.close(promise: nil) }
    }

    // MARK: The end

    /// Carries a stream over a held connection from now on.
    ///
    /// - Throws: why TLS did not come about.
    func carry(_ setup: TCPSetup, over channel: any Channel) async throws -> TCPConnection {
        let done = loop.makePromise(of: TCPConnection.self)
        let begun = loop.submit {
            let operations = channel.pipeline.syncOperations
            let held = try operations.handler(type: HeldConnectionHandler.self)
            try operations.addHandler(TCPStreamHandler(setup) { done.completeWith($0) })
            operations.removeHandler(held, promise: nil)
        }
        begun.whenFailure { done.fail($0) }
        return try await withTaskCancellationHandler {
            try await done.futureResult.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    /// Stops to listen and to dial, and closes every connection but one. Safe to call more than once.
    func close(except chosen: (any Channel)? = nil) {
        let (listener, channels) = state.withLock { state in
            state.isClosed = true
            let others = state.connections.values.map(\.channel).filter { channel in
                chosen.map { $0 !== channel } ?? true
            }
            return (state.listener, others)
        }
        listener?.whenSuccess { $0.close(promise: nil) }
        for channel in channels { channel.close(promise: nil) }
    }
}
