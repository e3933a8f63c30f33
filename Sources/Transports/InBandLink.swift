// XEP-0047: one bytestream, from its negotiation to its end.
internal import SecureChannels
internal import Synchronization
internal import XMPP

/// Carries the one stream of a bytestream: its bytes as they are, or in TLS.
///
/// It takes blocks from the peer as soon as it is known to its host, and keeps them until ``establish(opens:blockSize:security:)``. A block is
/// acknowledged once there is room for it, so that a slow reader holds the peer back.
actor InBandLink {
    /// What names a bytestream.
    struct ID: Sendable, Hashable {
        var peer: JID
        var sid: String
    }

    /// What becomes of a request.
    enum Response: Sendable {
        case result
        case refused(StanzaError)
        /// The answer follows.
        case later
    }

    /// How long everything may take.
    struct Limits: Sendable {
        /// The peer's `<open/>`, or the answer to ours.
        var opening = Duration.seconds(30)
        var handshake = Duration.seconds(30)
        /// The acknowledgement of a block by a client that is no sleigh.
        var acknowledgement = Duration.seconds(60)
        /// The same by a sleigh, which keeps it back while its reader pauses, and is asked meanwhile whether it is there.
        var heldAcknowledgement = Duration.seconds(24 * 3600)
        /// The answer to `<close/>`: some clients give none.
        var closing = Duration.seconds(10)
        /// After this time of silence a client that is no sleigh is asked whether it is still there; one that is known
        /// to answer is asked sooner, also while blocks are under way.
        var silence = Duration.seconds(60)
        var shortSilence = Duration.seconds(10)
        /// A peer may take as long to answer.
        var inquiry = Duration.seconds(30)
        /// What is said last.
        var farewell = Duration.seconds(3)
    }

    /// What TLS needs to begin.
    struct Security: Sendable {
        var agreement: HandshakeRoles.Agreement
        var certificate: DeviceCertificate
    }

    /// Tells the link that its stream has work.
    final class Carrier: ByteStreamCarrier {
        let creditThreshold = 32 * 1024
        let signals: AsyncStream<Void>
        let signal: AsyncStream<Void>.Continuation

        init() { (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

        func enqueue(_ stream: BufferedByteStream) { signal.yield() }
    }

    /// A request whose answer is awaited.
    struct Pending: Sendable {
        var answer: PendingAnswer
        /// The block it carries and how much of the stream is complete with it; `nil` for `<close/>`.
        var block: (ticket: InBandWindow.Ticket, completedByteCount: Int)?
    }

    enum Phase {
        case negotiated
        case open
        case over(ByteStreamError)
    }

    /// How many bytes may wait for their reader before blocks are left unacknowledged.
    static let unreadLimit = 256 * 1024
    /// How many may come without an acknowledgement after that, in how many blocks.
    static let excessLimit = 768 * 1024
    static let unansweredLimit = 512

    nonisolated let id: ID
    nonisolated let stream: BufferedByteStream
    nonisolated let pool = BlockPool(blockByteCount: 32 * 1024, keep: 10)
    nonisolated let carrier = Carrier()
    nonisolated let roundTrips = Mutex<(shortest: Duration?, latest: Duration?)>((nil, nil))
    let channel: any StanzaChannel
    let limits: Limits

    var phase = Phase.negotiated
    var blockSize: UInt16
    var receiver: InBandReceiver
    var window: InBandWindow
    var coder: InBandCoder?
    var lastHeard = ContinuousClock.now
    /// Whether the peer is a sleigh, which TLS shows.
    var isPeerSleigh = false

    var early: [UInt8] = []
    var filling: Block?
    var unreadByteCount = 0
    var unanswered: [IQ] = []
    var isReceiveFinished = false
    var closeRequest: IQ?

    var spareBlocks: [Block] = []
    var sequence: UInt16 = 0
    var isEndRequested = false
    var isSendFinished = false
    var isCloseRequested = false
    var isCloseSent = false
    var tellsPeer = false
    private var isFinished = false

    let pending = AsyncStream.makeStream(of: Pending.self)
    /// Holds the bytes back to the limit there is for them, in nanoseconds since `bucketStart`.
    var bucket: TokenBucket?
    let bucketStart = ContinuousClock.now
    let heldBack = AsyncStream.makeStream(
        of: ContinuousClock.Instant.self, bufferingPolicy: .bufferingNewest(1))
    let opened = AsyncStream.makeStream(of: Void.self)
    let secured = AsyncStream.makeStream(of: Void.self)
    private let closing = AsyncStream.makeStream(of: Void.self)
    private let over = AsyncStream.makeStream(of: Void.self)
    let endedByPeer = AsyncStream.makeStream(of: Void.self)
    private var endWaiters: [CheckedContinuation<Void, Never>] = []

    /// Creates the link of a bytestream that is being negotiated.
    ///
    /// - Parameter blockSize: the most bytes of a block that we accept.
    init(_ id: ID, blockSize: UInt16, channel: any StanzaChannel, limits: Limits) {
        self.id = id
        self.blockSize = blockSize
        self.channel = channel
        self.limits = limits
        receiver = InBandReceiver(blockSize: blockSize)
        window = InBandWindow(blockSize: blockSize)
        stream = BufferedByteStream(id: 0, carrier: carrier, highWater: InBandWindow.maximumByteCount)
    }

    /// The shortest time in which a block was acknowledged.
    nonisolated var roundTripTime: Duration? { roundTrips.withLock { $0.shortest } }
    /// The time in which the last block was acknowledged.
    nonisolated var latestRoundTripTime: Duration? { roundTrips.withLock { $0.latest } }

    // MARK: Life

    /// Runs until the bytestream is over, and the peer knows.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.takeAnswers() }
            group.addTask { await self.watch() }
            group.addTask { await self.limitClosing() }
            group.addTask { for await _ in self.carrier.signals { await self.work() } }
            group.addTask {
                for await due in self.heldBack.stream {
                    guard (try? await Task.sleep(until: due)) != nil else { return }
                    self.carrier.signal.yield()
                }
            }
            for await _ in over.stream {}
            group.cancelAll()
        }
        await withTaskGroup { group in
            group.addTask { await self.sayFarewell() }
            // The server may take nothing any more.
            group.addTask { try? await Task.sleep(for: self.limits.farewell) }
            await group.next()
            group.cancelAll()
        }
        coder = nil
        isFinished = true
        for waiter in endWaiters { waiter.resume() }
        endWaiters = []
    }

    /// Ends everything at once; after the first time this does nothing.
    func end(_ error: ByteStreamError, tellsPeer: Bool) {
        if case .over = phase { return }
        phase = .over(error)
        self.tellsPeer = tellsPeer && !isCloseSent
        stream.fail(send: error, receive: error)
        early = []
        filling = nil
        opened.continuation.finish()
        secured.continuation.finish()
        endedByPeer.continuation.finish()
        over.continuation.finish()
    }

    /// Ends the bytestream after what was written, and returns when it is over; also in a task that was cancelled.
    func close() async {
        guard !isFinished else { return }
        isCloseRequested = true
        closing.continuation.yield()
        carrier.signal.yield()
        await withCheckedContinuation { endWaiters.append($0) }
    }

    /// Waits until the peer has ended its direction, or all is over. For one caller at a time.
    func waitUntilEndedByPeer() async throws {
        for await _ in endedByPeer.stream {}
        try Task.checkCancellation()
    }

    func noteOpen() {
        guard case .negotiated = phase else { return }
        phase = .open
        lastHeard = .now
        opened.continuation.finish()
    }

    // MARK: Silence

    /// Asks a peer that sends nothing whether it is there. Where a sleigh's acknowledgement may be held back for long, it
    /// is asked too; that of another client has a limit of its own.
    private func watch() async {
        var looked = ContinuousClock.now
        while true {
            do { try await Task.sleep(until: max(looked, lastHeard) + silence) } catch { return }
            looked = .now
            guard case .open = phase, isPeerSleigh || window.byteCount == 0, lastHeard + silence <= looked else {
                continue
            }
            do {
                try await channel.request(.get, to: id.peer, payload: Ping.request, timeout: limits.inquiry)
            } catch {
                let error = ByteStreamError(inBand: error)
                if case .pathLost = error { return end(error, tellsPeer: false) }
            }
        }
    }

    private var silence: Duration {
        // What the peer is shows when the bytestream is established.
        if coder != nil, !isPeerSleigh { return limits.silence }
        return min(limits.silence, limits.shortSilence)
    }

    private func limitClosing() async {
        for await _ in closing.stream {
            do { try await Task.sleep(for: limits.closing) } catch { return }
            return end(.closed("the bytestream was closed here"), tellsPeer: true)
        }
    }
}
