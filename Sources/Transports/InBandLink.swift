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
        /// The acknowledgement of a block.
        var acknowledgement = Duration.seconds(60)
        /// The answer to `<close/>`: some clients give none.
        var closing = Duration.seconds(10)
        /// After this time of silence the peer is asked whether it is still there.
        var silence = Duration.seconds(60)
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
    private struct Pending: Sendable {
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
    private nonisolated let roundTrips = Mutex<(shortest: Duration?, latest: Duration?)>((nil, nil))
    let channel: any StanzaChannel
    let limits: Limits

    var phase = Phase.negotiated
    var blockSize: UInt16
    private var receiver: InBandReceiver
    var window: InBandWindow
    var coder: InBandCoder?
    private var lastHeard = ContinuousClock.now

    var early: [UInt8] = []
    private var filling: Block?
    var unreadByteCount = 0
    private var unanswered: [IQ] = []
    private var isReceiveFinished = false
    private var closeRequest: IQ?

    private var spareBlocks: [Block] = []
    private var sequence: UInt16 = 0
    private var isEndRequested = false
    private var isSendFinished = false
    private var isCloseRequested = false
    private var isCloseSent = false
    private var tellsPeer = false
    private var isFinished = false

    private let pending = AsyncStream.makeStream(of: Pending.self)
    let opened = AsyncStream.makeStream(of: Void.self)
    let secured = AsyncStream.makeStream(of: Void.self)
    private let closing = AsyncStream.makeStream(of: Void.self)
    private let over = AsyncStream.makeStream(of: Void.self)
    private let endedByPeer = AsyncStream.makeStream(of: Void.self)
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

    // MARK: Receiving

    /// Takes a request of the peer's.
    ///
    /// - Parameter result: the answer, should it have to wait.
    func receive(_ request: InBandBytestream, _ result: IQ) -> Response {
        if case .over = phase { return .refused(InBandBytestream.unknown) }
        lastHeard = .now
        switch request {
        case .open(_, let size, let stanza):
            guard stanza == .iq else { return .refused(InBandBytestream.unwanted) }
            guard size <= blockSize else { return .refused(InBandBytestream.tooLarge) }
            // Both sides may open it at once.
            blockSize = size
            noteOpen()
            return .result
        case .data(_, let sequence, let bytes):
            // The answer to our `<open/>` may come by another way to here.
            noteOpen()
            do throws(StanzaError) {
                try receiver.receive(sequence: sequence, byteCount: bytes.count)
            } catch {
                end(.closed("the peer sent a block that does not follow"), tellsPeer: true)
                return .refused(error)
            }
            take(bytes)
            guard unreadByteCount > Self.unreadLimit else { return .result }
            guard unreadByteCount <= Self.unreadLimit + Self.excessLimit, unanswered.count < Self.unansweredLimit
            else {
                end(.closed("the peer sends faster than it may"), tellsPeer: true)
                return .refused(StanzaError(.resourceConstraint, kind: .wait))
            }
            unanswered.append(result)
            return .later
        case .close:
            guard closeRequest == nil else { return .refused(InBandBytestream.unknown) }
            closeRequest = result
            if case .negotiated = phase { end(.closed("the peer closed the bytestream"), tellsPeer: false) }
            carrier.signal.yield()
            return .later
        }
    }

    func take(_ bytes: [UInt8]) {
        guard let coder else {
            early += bytes
            unreadByteCount += bytes.count
            return
        }
        do throws(TLSError) {
            try coder.receive(bytes) { append($0) }
            if coder.isPeerEnded, !isReceiveFinished { finishReceiving() }
            if coder.isReady { secured.continuation.finish() }
        } catch {
            end(ByteStreamError(error), tellsPeer: true)
        }
        if let filling, filling.count > 0, stream.notePartial() { deliverFilling() }
        carrier.signal.yield()
    }

    private func append(_ bytes: UnsafeRawBufferPointer) {
        unreadByteCount += bytes.count
        var rest = bytes[...]
        while !rest.isEmpty {
            let block = filling ?? pool.take()
            filling = block
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(block.capacity - block.count))
            UnsafeMutableRawBufferPointer(rebasing: block.storage[block.count...]).copyMemory(from: part)
            block.count += part.count
            rest = rest.dropFirst(part.count)
            if block.count == block.capacity { deliverFilling() }
        }
    }

    private func deliverFilling() {
        guard let block = filling, block.count > 0 else { return }
        filling = nil
        stream.deliver(block)
    }

    private func finishReceiving() {
        deliverFilling()
        isReceiveFinished = true
        stream.deliverEnd()
        endedByPeer.continuation.finish()
    }

    // MARK: Sending

    /// Does what the stream and the peer have asked for.
    private func work() async {
        if case .over = phase { return }
        let work = stream.takeWork(&spareBlocks)
        if work.resetCode != nil { return end(.closed("the bytestream was closed here"), tellsPeer: true) }
        unreadByteCount -= work.creditByteCount
        if let filling, filling.count > 0, stream.notePartial() { deliverFilling() }
        if work.endsNow { isEndRequested = true }
        coder?.append(work.blocks)
        if coder != nil, isEndRequested || isCloseRequested { coder?.end() }
        while !unanswered.isEmpty, unreadByteCount <= Self.unreadLimit {
            let answer = unanswered.removeFirst()
            try? await channel.send(answer.element)
        }
        do {
            try await sendBlocks()
            try await settle()
        } catch {
            end(ByteStreamError(inBand: error), tellsPeer: !(error is StanzaChannelError))
        }
    }

    private func sendBlocks() async throws {
        while case .open = phase, case let maximum = window.nextBlockByteCount, maximum > 0,
            let payload = try coder?.next(maximum: maximum)
        {
            let ticket = window.send(
                byteCount: payload.bytes.count, hasMore: coder?.hasOutput ?? false, at: .now)
            let answer = try await send(payload.bytes)
            pending.continuation.yield(Pending(answer: answer, block: (ticket, payload.completedByteCount)))
        }
    }

    private func send(_ bytes: [UInt8]) async throws -> PendingAnswer {
        let block = InBandBytestream.data(sid: id.sid, sequence: sequence, bytes: bytes)
        sequence &+= 1
        return try await channel.sendRequest(
            .set, to: id.peer, payload: block.element, timeout: limits.acknowledgement)
    }

    /// Ends a direction, or the bytestream, once everything is acknowledged.
    private func settle() async throws {
        guard case .open = phase, let coder else { return }
        if closeRequest != nil, !coder.isReady {
            return end(.closed("the peer closed the bytestream"), tellsPeer: false)
        }
        guard window.byteCount == 0, !coder.hasOutput else { return }
        if coder.hasEnds, isEndRequested || isCloseRequested { finishSending() }
        if closeRequest != nil {
            if !coder.hasEnds {
                finishReceiving()
                if isEndRequested { finishSending() }
            }
            return end(
                .closed(isReceiveFinished ? "the peer closed the bytestream" : "the connection was cut off"),
                tellsPeer: false)
        }
        let isOver = isCloseRequested || isEndRequested && (!coder.hasEnds || isReceiveFinished)
        guard isOver, !isCloseSent else { return }
        isCloseSent = true
        let answer = try await channel.sendRequest(
            .set, to: id.peer, payload: InBandBytestream.close(sid: id.sid).element, timeout: limits.closing)
        pending.continuation.yield(Pending(answer: answer))
    }

    private func finishSending() {
        guard !isSendFinished else { return }
        isSendFinished = true
        stream.acknowledge(byteCount: 0, isFinished: true)
    }

    /// What the peer is still told: why TLS has failed, the end, and answers to what is open.
    private func sayFarewell() async {
        if tellsPeer {
            tellsPeer = false
            if let alert = coder?.alert(maximum: Int(blockSize)) { _ = try? await send(alert) }
            isCloseSent = true
            _ = try? await channel.sendRequest(
                .set, to: id.peer, payload: InBandBytestream.close(sid: id.sid).element, timeout: limits.closing)
        }
        for answer in unanswered {
            try? await channel.send(
                IQ(to: answer.to, id: answer.id, content: .error(InBandBytestream.unknown)).element)
        }
        unanswered = []
        if let closeRequest { try? await channel.send(closeRequest.element) }
        closeRequest = nil
    }

    // MARK: Answers

    private func takeAnswers() async {
        for await pending in pending.stream {
            do {
                _ = try await pending.answer.payload
            } catch  where pending.block != nil {
                return end(ByteStreamError(inBand: error), tellsPeer: true)
            } catch {
                // A bytestream whose `<close/>` is refused or not answered is closed all the same.
            }
            if let (ticket, completedByteCount) = pending.block {
                acknowledged(ticket, completedByteCount)
            } else {
                closed()
            }
        }
    }

    private func acknowledged(_ ticket: InBandWindow.Ticket, _ completedByteCount: Int) {
        lastHeard = .now
        window.acknowledge(ticket, at: lastHeard)
        roundTrips.withLock { $0 = (window.roundTripTime, window.latestRoundTripTime) }
        stream.acknowledge(byteCount: completedByteCount, isFinished: false)
        carrier.signal.yield()
    }

    /// Our `<close/>` was answered.
    private func closed() {
        guard case .open = phase else { return }
        if isEndRequested { finishSending() }
        if coder?.hasEnds == false { finishReceiving() }
        end(.closed("the bytestream was closed here"), tellsPeer: false)
    }

    /// Asks a peer that sends nothing whether it is there. Blocks that are under way have a limit of their own.
    private func watch() async {
        var looked = ContinuousClock.now
        while true {
            do { try await Task.sleep(until: max(looked, lastHeard) + limits.silence) } catch { return }
            looked = .now
            guard case .open = phase, window.byteCount == 0, lastHeard + limits.silence <= looked else { continue }
            do {
                try await channel.request(.get, to: id.peer, payload: Ping.request, timeout: limits.silence)
            } catch {
                let error = ByteStreamError(inBand: error)
                if case .pathLost = error { return end(error, tellsPeer: false) }
            }
        }
    }

    private func limitClosing() async {
        for await _ in closing.stream {
            do { try await Task.sleep(for: limits.closing) } catch { return }
            return end(.closed("the bytestream was closed here"), tellsPeer: true)
        }
    }
}
