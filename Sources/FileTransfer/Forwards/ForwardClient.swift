// Wire/Forward.md: the side that wants connections forwarded.
public import Jingle
import Synchronization
import Transports
public import XMPP

/// Forwards connections to a peer and from it, in one session after the other.
public final class ForwardClient: Sendable {
    /// A place to listen at, and where the connections that come there go.
    public struct Forward: Sendable, Hashable {
        /// Where to listen.
        public var source: ForwardAddress
        /// Where to connect to on the other side.
        public var target: ForwardAddress

        /// Creates a forward.
        public init(from source: ForwardAddress, to target: ForwardAddress) {
            self.source = source
            self.target = target
        }
    }

    /// How long a connection waits for a session.
    private static let patience = Duration.seconds(20)

    private let remote: [Forward]
    private let listeners: [(listener: SocketListener, target: ForwardAddress)]
    private let report: @Sendable (ForwardEvent) -> Void
    private let budget: BlockBudget
    private let hub = ForwardHub()
    private let streams = CountLimit(ForwardLink.streamLimit)
    private let arrivals = CountLimit(ForwardLink.streamLimit)
    private let isEstablished = Mutex(false)

    /// Listens at once, so that an address that cannot be had is known before anybody is asked.
    ///
    /// - Parameters:
    ///   - local: connections that come here.
    ///   - remote: connections that come to the peer's host.
    ///   - report: takes what happens, from any task; must not block.
    /// - Throws: ``ForwardError/cannotListen(_:_:)``.
    public init(
        local: [Forward], remote: [Forward], report: @escaping @Sendable (ForwardEvent) -> Void
    ) async throws(ForwardError) {
        self.remote = remote
        self.report = report
        let budget = BlockBudget()
        self.budget = budget
        var listeners: [(SocketListener, ForwardAddress)] = []
        for forward in local {
            do throws(SocketError) {
                listeners.append((try await SocketListener.listen(at: forward.source, budget: budget), forward.target))
            } catch {
                throw .cannotListen(forward.source, error.description)
            }
        }
        self.listeners = listeners
    }

    /// Whether a session has got so far that connections could be forwarded.
    public var hasBeenEstablished: Bool { isEstablished.withLock { $0 } }

    /// Takes the connections that come here, until the task is cancelled. Those that find no session wait for one for a
    /// while.
    public func serve() async {
        await withTaskGroup(of: Void.self) { group in
            for (listener, target) in listeners {
                group.addTask {
                    try? await listener.serve(within: self.arrivals) { await self.forward($0, to: target) }
                }
            }
        }
        for (listener, _) in listeners { listener.close() }
    }

    private func forward(_ arrival: SocketListener.Arrival, to target: ForwardAddress) async {
        guard let link = await hub.link(within: Self.patience) else {
            arrival.stream.reset(code: 0)
            return Task.isCancelled ? () : report(.noSession(target))
        }
        let connection = ForwardedConnection(address: target, origin: arrival.origin, report: report)
        await connection.open(over: link, .connect(target), from: arrival.stream)
    }

    // MARK: A session

    /// Runs a session with a peer, and goes on in another when its path is lost, until it ends.
    ///
    /// - Parameter peer: the bare address of a person, whose devices are asked, or the full address of a device.
    /// - Throws: ``ForwardError`` when the peer refuses to listen; `TransferError`, `StanzaChannelError`,
    ///   `CancellationError`.
    public func run(with peer: JID, service: TransferService) async throws {
        _ = try await run(with: peer, service: service) { link in
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                for (index, forward) in self.remote.enumerated() {
                    let stream = try await self.askToListen(forward, number: UInt16(clamping: index), over: link)
                    group.addTask {
                        while try await stream.read() != nil {}
                        throw ByteStreamError.closed("the peer listens no more")
                    }
                }
                self.isEstablished.withLock { $0 = true }
                self.hub.link = link
                defer { self.hub.link = nil }
                for (listener, target) in self.listeners { self.report(.listening(at: listener.address, to: target)) }
                group.addTask { try await link.serveStreams { await self.take($0, from: link) } }
                try await group.next()
            }
        }
    }

    /// Joins standard input and output to one address at a peer, and returns when both directions are over.
    ///
    /// - Throws: ``ForwardError/refused(_:_:)``, `TransferError`, `LocalFileError`, `StanzaChannelError`,
    ///   `CancellationError`.
    public func joinStandard(to target: ForwardAddress, with peer: JID, service: TransferService) async throws {
        let isComplete = try await run(with: peer, service: service) { link in
            let opened: ForwardLink.Opened
            do {
                opened = try await link.open(.connect(target))
            } catch let refused as ForwardRefused {
                throw ForwardError.refused(target, refused.reason)
            }
            let end = try StreamEnd(.standard)
            defer { end.close() }
            self.report(.opened(target, from: "standard input"))
            if let first = opened.first { try await end.write(first) }
            let (never, continuation) = AsyncStream.makeStream(of: Void.self)
            defer { continuation.finish() }
            let counts = try await StreamCopy(stream: opened.stream, end: end) { _ in }.run(stopping: never)
            self.report(.ended(target, sent: counts.sent, received: counts.received))
        }
        guard isComplete else {
            throw TransferError.interrupted(
                byteCount: 0, "the peer ended the session before both directions had ended")
        }
    }

    /// - Returns: whether `body` has returned; otherwise the peer has ended the session before.
    private func run(
        with peer: JID, service: TransferService, _ body: @escaping @Sendable (ForwardLink) async throws -> Void
    ) async throws -> Bool {
        let report = { @Sendable [report] in report(.session($0)) }
        let joint = ForwardJoint(as: .initiator, body)
        let record = TransferRecord(started: .now) { joint.progress }
        return try await joint.run {
            try await service.goingOn(.forward, record, report: report) { loss in
                let outgoing = OutgoingSession(
                    service: service, application: .forward, description: .forward, senders: .both,
                    continued: loss?.session, report: report)
                try await outgoing.run(to: loss?.session.peer ?? peer) { offered in
                    try await ForwardSession(
                        service: service, session: offered.session, content: offered.content,
                        negotiation: offered.negotiation, role: .initiator, joint: joint, record: record,
                        report: report
                    ).run()
                }
            }
        }
    }

    // MARK: Connections from the peer

    private func askToListen(
        _ forward: Forward, number: UInt16, over link: ForwardLink
    ) async throws -> any ByteStream {
        do {
            let opened = try await link.open(.listen(forward.source, number: number))
            var source = forward.source
            if case .tcp(let host, port: 0) = source { source = .tcp(host: host, port: opened.port) }
            report(.peerListening(at: source, to: forward.target))
            return opened.stream
        } catch let refused as ForwardRefused {
            throw ForwardError.refused(forward.source, refused.reason)
        }
    }

    private func take(_ stream: any ByteStream, from link: ForwardLink) async {
        do {
            guard streams.take() else {
                return stream.reset(code: ForwardLink.brokenCode)
            }
            defer { streams.giveBack() }
            // Nothing but what we have asked for; the peer names no addresses.
            guard case .arrival(let number)? = try await link.receiveRequest(on: stream), Int(number) < remote.count
            else {
                return try await link.refuse(.notUnderstood, stream)
            }
            let forward = remote[Int(number)]
            let local: SocketStream
            do {
                local = try await SocketStream.connect(to: forward.target, budget: budget)
            } catch {
                report(.unreachable(forward.target, error.description))
                return try await link.refuse(.unreachable, stream)
            }
            try await link.reply(.accepted(port: 0), on: stream)
            await ForwardedConnection(address: forward.target, origin: link.peer.description, report: report)
                .run(stream, first: nil, target: local)
        } catch {
            stream.reset(code: ForwardLink.brokenCode)
        }
    }
}
