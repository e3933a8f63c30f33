internal import CLinux
internal import Glibc
internal import SecureChannels

/// The thread of one connection: waits for packets, requests and timers, and moves bytes between the path, the
/// engine and the streams. Everything here happens on that thread.
final class QUICLoop: QUICConnectionDelegate {
    /// What the thread keeps with a stream.
    private final class Feed {
        let stream: BufferedByteStream
        let engineStream: QUICStream
        /// Until the header is complete the peer's stream is known to nobody else.
        var header: StreamHeaderParser?
        var headerByteCount: UInt64 = 0
        /// The block being filled, where its next byte goes and how much room is left. Its count is set when it is
        /// handed over.
        private(set) var filling: Block?
        private var cursor: UnsafeMutableRawPointer?
        private var room = 0
        var isFresh = false
        /// Nothing more comes from the peer.
        var isEnded = false
        /// The stream itself has ended, and its waiters know. Not so when the engine dropped it with the connection.
        var isClosed = false
        var lastDelivery: UInt64 = 0
        var acknowledgedByteCount: UInt64 = 0

        init(_ stream: BufferedByteStream, _ engineStream: QUICStream) {
            self.stream = stream
            self.engineStream = engineStream
        }

        /// Copies what fits; `true` when the block is full.
        func fill(_ source: inout UnsafeRawBufferPointer, from pool: BlockPool) -> Bool {
            if room == 0 {
                let block = pool.take()
                filling = block
                cursor = block.storage.baseAddress
                room = block.capacity
            }
            guard let cursor, let start = source.baseAddress else { return false }
            let amount = min(source.count, room)
            cursor.copyMemory(from: start, byteCount: amount)
            self.cursor = cursor + amount
            room -= amount
            source = UnsafeRawBufferPointer(rebasing: source[amount...])
            return room == 0
        }

        /// Gives up the block with what is in it.
        func takeFilling() -> Block? {
            guard let block = filling.take() else { return nil }
            block.count = block.capacity - room
            room = 0
            cursor = nil
            return block
        }
    }

    /// Keeps the bytes of a header until they are acknowledged.
    private final class HeaderBytes {
        let bytes: UnsafeMutableRawBufferPointer

        init(_ header: [UInt8]) {
            bytes = .allocate(byteCount: header.count, alignment: 1)
            bytes.copyBytes(from: header)
        }

        deinit { bytes.deallocate() }
    }

    private let core: QUICChannelCore
    private let engine: QUICConnection
    private var path: any DatagramPath
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 64)

    private var feeds: [Int64: Feed] = [:]
    private var fresh: [Feed] = []
    private var openings: [QUICChannelCore.Opening] = []
    private var refused: [(QUICStream, code: UInt64)] = []
    private var spareBlocks: [Block] = []
    private var now: UInt64 = 0
    /// What the path has not taken yet, in `buffer`.
    private var unsent = 0..<0
    private var unsentSegmentByteCount = 0
    private var isClosed = false
    private var statisticsTime: UInt64 = 0
    private var deliveryDue: UInt64 = .max
    /// When to ask the path for its socket.
    private var pathChangeDue: UInt64 = .max
    /// What came since the thread last slept, and how long it then lets packets gather, in nanoseconds.
    private var roundByteCount = 0
    private var gatheringInterval: UInt64 = 0

    /// A reader of a busy stream gets a block that is not full after this time in nanoseconds.
    private static let deliveryInterval: UInt64 = 5_000_000
    private static let statisticsInterval: UInt64 = 50_000_000
    /// Packets that come one by one cost far more than those that come together, so on a long path they may wait for
    /// each other: this share of the round trip, within limits.
    private static let gatheringShare: UInt64 = 64
    private static let minimumGatheringInterval: UInt64 = 100_000
    private static let maximumGatheringInterval: UInt64 = 1_000_000
    /// With more than this at a time packets do not gather: the kernel's buffer may be as small as 208 KiB.
    private static let maximumGatheringByteCount = 32_768
    /// How soon to try again on a path that does not say when it has room.
    private static let retryInterval: UInt64 = 1_000_000
    /// How soon to ask a path again that does not give its socket yet.
    private static let pathChangeInterval: UInt64 = 20_000_000
    /// What a stream with an unreadable header is reset with.
    private static let malformedHeaderCode: UInt64 = 1
    /// What a stream is reset with when nobody accepts the ones before it.
    private static let tooManyStreamsCode: UInt64 = 2

    /// Starts the thread.
    ///
    /// - Throws: `ByteStreamError.closed` when the library or the system refuses.
    static func start(
        role: QUICRole, certificate: DeviceCertificate, peerFingerprint: Fingerprint, path: any DatagramPath,
        options: QUICOptions, core: QUICChannelCore
    ) throws(ByteStreamError) {
        let engine: QUICConnection
        do {
            engine = try QUICConnection(
                role: role, certificate: certificate, peerFingerprint: peerFingerprint, options: options,
                now: datagram_now())
        } catch {
            throw .closed("QUIC failed: \(error.description)")
        }
        let loop = QUICLoop(engine: engine, path: path, core: core)
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(loop)
        let status = pthread_create(&thread, nil, quicLoopMain, argument.toOpaque())
        guard status == 0 else {
            argument.release()
            throw .closed("no thread left")
        }
        pthread_detach(thread)
    }

    private init(engine: QUICConnection, path: any DatagramPath, core: QUICChannelCore) {
        self.engine = engine
        self.path = path
        self.core = core
    }

    deinit { buffer.deallocate() }

    fileprivate func run() {
        datagram_exact_timers()
        engine.delegate = self
        var isReadable = true
        while true {
            now = datagram_now()
            if isReadable { isReadable = receive() }
            if engine.expiry <= now { engine.handleExpiry(now: now) }
            handleRequests()
            handleEvents()
            if now >= pathChangeDue { changePath() }
            send()
            handleEvents()
            deliverFresh()
            noteStatistics()
            if engine.isFinished { break }
            isReadable = sleep(polling: isReadable)
        }
        core.store(engine.statistics)
        engine.finish()
        path.close()
        core.noteFinished()
    }

    // MARK: Packets

    /// Returns whether more may be waiting.
    private func receive() -> Bool {
        path.receive { packet in
            roundByteCount += packet.count
            engine.receive(packet, now: now)
        }
    }

    private func send() {
        while true {
            if unsent.isEmpty {
                let batch = engine.send(into: buffer, now: now)
                guard batch.byteCount > 0 else { return }
                unsent = 0..<batch.byteCount
                unsentSegmentByteCount = batch.segmentByteCount
            }
            let taken = path.send(
                UnsafeRawBufferPointer(rebasing: buffer[unsent]), segmentByteCount: unsentSegmentByteCount)
            unsent = unsent.lowerBound + taken..<unsent.upperBound
            guard unsent.isEmpty else { return }
        }
    }

    /// Waits for whatever comes first.
    ///
    /// - Returns: whether packets may wait on the path.
    private func sleep(polling: Bool) -> Bool {
        guard !polling, core.takeNothing() else { return true }
        // While the path is full the engine's timer is of no use: it may only say that it could send.
        let deadline = min(unsent.isEmpty ? engine.expiry : now + Self.retryInterval, deliveryDue, pathChangeDue)
        let gathers = letsPacketsGather()
        var timeout: Int64 = -1
        if gathers {
            timeout = Int64(clamping: min(gatheringInterval, deadline > now ? deadline - now : 0))
        } else if deadline != .max {
            let current = datagram_now()
            timeout = deadline > current ? Int64(clamping: deadline - current) : 0
        }
        let waitsForRoom = !unsent.isEmpty && path.signalsWritability
        let events = CShort(POLLIN) | (waitsForRoom ? CShort(POLLOUT) : 0)
        var descriptors = (
            pollfd(fd: core.eventDescriptor, events: CShort(POLLIN), revents: 0),
            pollfd(fd: path.readinessDescriptor, events: events, revents: 0)
        )
        withUnsafeMutablePointer(to: &descriptors) { pointer in
            pointer.withMemoryRebound(to: pollfd.self, capacity: 2) { _ = datagram_wait($0, gathers ? 1 : 2, timeout) }
        }
        core.noteAwake()
        if descriptors.0.revents != 0 { datagram_event_clear(core.eventDescriptor) }
        return gathers || descriptors.1.revents & ~CShort(POLLOUT) != 0
    }

    /// Whether to leave the path alone for a moment, since packets are coming. The queue of another path is too short
    /// for that.
    private func letsPacketsGather() -> Bool {
        defer { roundByteCount = 0 }
        return gatheringInterval > 0 && unsent.isEmpty && path.signalsWritability
            && (1...Self.maximumGatheringByteCount).contains(roundByteCount)
    }

    // MARK: Requests

    private func handleRequests() {
        guard let requests = core.takeRequests() else { return }
        openings.append(contentsOf: requests.openings)
        let cancelled = core.takeCancelledOpenings()
        if !cancelled.isEmpty {
            openings.removeAll { opening in
                guard cancelled.contains(opening.id) else { return false }
                opening.continuation.resume(throwing: CancellationError())
                return true
            }
        }
        for stream in requests.dirty { handle(stream) }
        openStreams()
        if let close = requests.close { engine.close(code: close.code, reason: close.reason, now: now) }
    }

    private func handle(_ stream: BufferedByteStream) {
        var work = stream.takeWork(&spareBlocks)
        guard let feed = feeds[stream.id] else { return }
        for block in work.blocks { engine.write(block.bytes, owner: block, to: feed.engineStream) }
        work.blocks.removeAll(keepingCapacity: true)
        swap(&spareBlocks, &work.blocks)
        if work.creditByteCount > 0 { engine.credit(work.creditByteCount, on: feed.engineStream) }
        if work.endsNow { engine.end(feed.engineStream) }
        if let code = work.resetCode {
            _ = feed.takeFilling()
            feed.isEnded = true
            engine.reset(feed.engineStream, code: code)
        } else if feed.filling != nil {
            noteFresh(feed)
        }
        releaseIfConsumed(feed)
    }

    private func openStreams() {
        guard !openings.isEmpty else { return }
        if isClosed {
            let error = ByteStreamError(core.closeReason ?? .local(code: 0))
            for opening in openings { opening.continuation.resume(throwing: error) }
            openings.removeAll()
            return
        }
        while let opening = openings.first, let engineStream = engine.openStream() {
            openings.removeFirst()
            let stream = BufferedByteStream(id: engineStream.id, carrier: core)
            let feed = Feed(stream, engineStream)
            adopt(feed)
            let header = HeaderBytes(opening.header)
            feed.headerByteCount = UInt64(header.bytes.count)
            engine.write(UnsafeRawBufferPointer(header.bytes), owner: header, to: engineStream)
            opening.continuation.resume(returning: stream)
        }
    }

    private func adopt(_ feed: Feed) {
        feeds[feed.engineStream.id] = feed
        feed.engineStream.context = feed
    }

    // MARK: Events

    private func handleEvents() {
        while let event = engine.nextEvent() {
            switch event {
            case .handshakeCompleted: break
            case .established:
                pathChangeDue = now
                core.noteEstablished()
                openStreams()
            case .streamsAvailable: openStreams()
            case .streamOpened(let engineStream):
                if engineStream.context == nil, !engineStream.isClosed { welcome(engineStream) }
            case .streamReset(let engineStream, let code):
                let error = ByteStreamError.reset(code: code)
                feed(of: engineStream)?.stream.fail(send: error, receive: error, dropsData: true)
                drop(engineStream)
            case .streamStopped(let engineStream):
                feed(of: engineStream)?.stream.fail(send: .reset(code: 0), receive: nil)
            case .streamClosed(let engineStream): end(engineStream)
            case .closed(let reason): close(reason)
            }
        }
        while let engineStream = engine.nextProgressedStream() {
            if let feed = feed(of: engineStream) { acknowledge(feed) }
        }
        while let (engineStream, code) = refused.popLast() { engine.reset(engineStream, code: code) }
    }

    private func changePath() {
        switch path.takeOver(roundTripTime: engine.statistics.smoothedRTT ?? .zero) {
        case .done(let socket):
            pathChangeDue = .max
            // Nothing is added to the old path any more; what it holds comes first.
            while receive() {}
            path.close()
            path = socket
        case .later: pathChangeDue = now + Self.pathChangeInterval
        case .never: pathChangeDue = .max
        }
    }

    private func welcome(_ engineStream: QUICStream) {
        let feed = Feed(BufferedByteStream(id: engineStream.id, carrier: core), engineStream)
        feed.header = StreamHeaderParser()
        adopt(feed)
    }

    private func feed(of engineStream: QUICStream) -> Feed? {
        guard let context = engineStream.context else { return nil }
        return unsafeDowncast(context, to: Feed.self)
    }

    private func acknowledge(_ feed: Feed) {
        let total = feed.engineStream.acknowledgedByteCount
        let data = total - min(total, feed.headerByteCount)
        let byteCount = Int(data - feed.acknowledgedByteCount)
        feed.acknowledgedByteCount = data
        feed.stream.acknowledge(byteCount: byteCount, isFinished: feed.engineStream.isSendFinished)
    }

    /// Throws away what a reset stream has left.
    private func drop(_ engineStream: QUICStream) {
        _ = feed(of: engineStream)?.takeFilling()
        engine.returnCredit(engineStream)
    }

    private func end(_ engineStream: QUICStream) {
        guard let feed = feed(of: engineStream) else { return engine.allowPeerStream(after: engineStream) }
        acknowledge(feed)
        flush(feed)
        if !engineStream.isSendFinished {
            feed.stream.fail(send: .closed("the stream has ended"), receive: nil)
        }
        feed.stream.fail(send: nil, receive: .closed("the stream has ended"))
        feed.isClosed = true
        handle(feed.stream)
    }

    /// Forgets a stream that has ended once everything is read. Until then the peer gets no credit for it, nor another
    /// stream in its place: what waits to be read is bounded by the window.
    private func releaseIfConsumed(_ feed: Feed) {
        let engineStream = feed.engineStream
        guard feed.isClosed, engineStream.uncreditedByteCount == 0, engineStream.context != nil else { return }
        feeds[engineStream.id] = nil
        engineStream.context = nil
        engine.allowPeerStream(after: engineStream)
    }

    private func close(_ reason: QUICCloseReason) {
        isClosed = true
        core.noteClosed(reason)
        openStreams()
        let error = ByteStreamError(reason)
        for feed in feeds.values {
            flush(feed)
            feed.stream.fail(send: error, receive: error)
            feed.engineStream.context = nil
        }
        feeds.removeAll()
        fresh.removeAll()
        deliveryDue = .max
    }

    // MARK: Received data

    func connection(
        _ connection: QUICConnection, received bytes: UnsafeRawBufferPointer, isEnd: Bool, on engineStream: QUICStream
    ) {
        if engineStream.context == nil { welcome(engineStream) }
        guard let feed = feed(of: engineStream), !feed.isEnded else { return }
        var bytes = bytes
        if feed.header != nil {
            guard let rest = parseHeader(bytes, feed, isEnd: isEnd) else { return }
            bytes = rest
        }
        fill(feed, bytes)
        guard isEnd else { return }
        feed.isEnded = true
        flush(feed)
        feed.stream.deliverEnd()
    }

    private func parseHeader(_ bytes: UnsafeRawBufferPointer, _ feed: Feed, isEnd: Bool) -> UnsafeRawBufferPointer? {
        switch feed.header?.consume(bytes) {
        case .name(let name, let byteCount):
            feed.header = nil
            engine.credit(byteCount, on: feed.engineStream)
            guard core.deliver(QUICChannelCore.Accepted(contentName: name, stream: feed.stream)) else {
                feed.isEnded = true
                refused.append((feed.engineStream, Self.tooManyStreamsCode))
                return nil
            }
            return UnsafeRawBufferPointer(rebasing: bytes[byteCount...])
        case .incomplete where !isEnd:
            engine.credit(bytes.count, on: feed.engineStream)
        case .incomplete, .malformed, nil:
            feed.isEnded = true
            refused.append((feed.engineStream, Self.malformedHeaderCode))
        }
        return nil
    }

    private func fill(_ feed: Feed, _ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while rest.count > 0 {
            if feed.fill(&rest, from: core.pool) { flush(feed) } else { noteFresh(feed) }
        }
    }

    private func noteFresh(_ feed: Feed) {
        guard !feed.isFresh else { return }
        feed.isFresh = true
        fresh.append(feed)
    }

    private func flush(_ feed: Feed) {
        guard let block = feed.takeFilling() else { return }
        feed.lastDelivery = now
        feed.stream.deliver(block)
    }

    /// Gives waiting readers what there is: at once if the stream was quiet, otherwise not too often.
    private func deliverFresh() {
        guard !fresh.isEmpty else { return }
        deliveryDue = .max
        var kept = 0
        for index in fresh.indices {
            let feed = fresh[index]
            var keeps = false
            if feed.filling != nil, feed.stream.notePartial() {
                let due = feed.lastDelivery + Self.deliveryInterval
                if due <= now {
                    flush(feed)
                } else {
                    deliveryDue = min(deliveryDue, due)
                    keeps = true
                }
            }
            feed.isFresh = keeps
            if keeps {
                fresh[kept] = feed
                kept += 1
            }
        }
        fresh.removeLast(fresh.count - kept)
    }

    private func noteStatistics() {
        guard now &- statisticsTime >= Self.statisticsInterval else { return }
        statisticsTime = now
        let statistics = engine.statistics
        core.store(statistics)
        let share = (statistics.smoothedRTT?.nanoseconds ?? 0) / Self.gatheringShare
        gatheringInterval =
            engine.isEstablished && share >= Self.minimumGatheringInterval
            ? min(share, Self.maximumGatheringInterval) : 0
    }
}

private let quicLoopMain: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    guard let argument else { return nil }
    Unmanaged<QUICLoop>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
