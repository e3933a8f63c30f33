internal import SecureChannels

/// The streams of one connection on its thread: what tasks ask of them, what the engine says of them, and the bytes
/// that come for them.
final class QUICStreamTable: QUICConnectionDelegate {
    /// Keeps the bytes of a header until they are acknowledged.
    private final class HeaderBytes {
        let bytes: UnsafeMutableRawBufferPointer

        init(_ header: [UInt8]) {
            bytes = .allocate(byteCount: header.count, alignment: 1)
            bytes.copyBytes(from: header)
        }

        deinit { bytes.deallocate() }
    }

    /// The time of the thread's current round.
    var now: UInt64 = 0
    /// When ``deliverFresh()`` has something to do.
    private(set) var deliveryDue: UInt64 = .max

    private let core: QUICChannelCore
    private let engine: QUICConnection
    private var feeds: [Int64: QUICStreamFeed] = [:]
    private var fresh: [QUICStreamFeed] = []
    private var openings: [QUICChannelCore.Opening] = []
    private var refused: [(QUICStream, code: UInt64)] = []
    private var spareBlocks: [Block] = []
    private var isClosed = false

    /// A reader of a busy stream gets a block that is not full after this time in nanoseconds; one that gets much at a
    /// time after the second, since every block costs some changes of threads.
    private static let deliveryInterval: UInt64 = 5_000_000
    /// Less than a full packet is no part of something long but a message, whose answer somebody waits for: what comes after
    /// it does not wait.
    private static let messageByteCount = 1000
    private static let bulkDeliveryInterval: UInt64 = 20_000_000
    /// How much at a time that is.
    private static let bulkByteCount = 32_768
    /// What a stream with an unreadable header is reset with.
    private static let malformedHeaderCode: UInt64 = 1
    /// What a stream is reset with when nobody accepts the ones before it.
    private static let tooManyStreamsCode: UInt64 = 2

    init(core: QUICChannelCore, engine: QUICConnection) {
        self.core = core
        self.engine = engine
    }

    // MARK: Requests

    /// Does what tasks have asked for since the last round.
    func handleRequests() {
        guard let requests = core.takeRequests() else { return }
        if let limit = requests.limit { engine.limitSending(bytesPerSecond: limit, now: now) }
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
        if let close = requests.close {
            engine.close(code: close.code, reason: close.reason, repeats: close.repeats, now: now)
        }
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
            let feed = QUICStreamFeed(stream, engineStream)
            adopt(feed)
            let header = HeaderBytes(opening.header)
            feed.headerByteCount = UInt64(header.bytes.count)
            engine.write(UnsafeRawBufferPointer(header.bytes), owner: header, to: engineStream)
            opening.continuation.resume(returning: stream)
        }
    }

    private func adopt(_ feed: QUICStreamFeed) {
        feeds[feed.engineStream.id] = feed
        feed.engineStream.context = feed
    }

    // MARK: Events

    /// Takes what the engine reports.
    func handle(_ event: QUICEvent) {
        switch event {
        case .handshakeCompleted: break
        case .established, .streamsAvailable: openStreams()
        case .streamOpened(let engineStream):
            if engineStream.context == nil, !engineStream.isClosed { welcome(engineStream) }
        case .streamReset(let engineStream, let code):
            guard let feed = feed(of: engineStream) else { return }
            let error = ByteStreamError.reset(code: code)
            flush(feed)
            feed.stream.fail(send: error, receive: error)
        case .streamStopped(let engineStream):
            feed(of: engineStream)?.stream.fail(send: .reset(code: 0), receive: nil)
        case .streamClosed(let engineStream): end(engineStream)
        case .closed(let reason): close(reason)
        }
    }

    /// Tells writers what the peer has acknowledged, and the peer which of its streams nobody takes.
    func handleProgress() {
        while let engineStream = engine.nextProgressedStream() {
            if let feed = feed(of: engineStream) { acknowledge(feed) }
        }
        while let (engineStream, code) = refused.popLast() { engine.reset(engineStream, code: code) }
    }

    private func welcome(_ engineStream: QUICStream) {
        let feed = QUICStreamFeed(BufferedByteStream(id: engineStream.id, carrier: core), engineStream)
        feed.header = StreamHeaderParser()
        adopt(feed)
    }

    private func feed(of engineStream: QUICStream) -> QUICStreamFeed? {
        guard let context = engineStream.context else { return nil }
        return unsafeDowncast(context, to: QUICStreamFeed.self)
    }

    private func acknowledge(_ feed: QUICStreamFeed) {
        let total = feed.engineStream.acknowledgedByteCount
        let data = total - min(total, feed.headerByteCount)
        let byteCount = Int(data - feed.acknowledgedByteCount)
        feed.acknowledgedByteCount = data
        feed.stream.acknowledge(byteCount: byteCount, isFinished: feed.engineStream.isSendFinished)
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
    private func releaseIfConsumed(_ feed: QUICStreamFeed) {
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

    private func parseHeader(_ bytes: UnsafeRawBufferPointer, _ feed: QUICStreamFeed, isEnd: Bool)
        -> UnsafeRawBufferPointer?
    {
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

    private func fill(_ feed: QUICStreamFeed, _ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while rest.count > 0 {
            if feed.fill(&rest, from: core.pool) { flush(feed) } else { noteFresh(feed) }
        }
    }

    private func noteFresh(_ feed: QUICStreamFeed) {
        guard !feed.isFresh else { return }
        feed.isFresh = true
        fresh.append(feed)
    }

    private func flush(_ feed: QUICStreamFeed) {
        guard let block = feed.takeFilling() else { return }
        feed.lastDelivery = now
        feed.deliveryInterval =
            switch block.count {
            case ..<Self.messageByteCount: 0
            case ..<Self.bulkByteCount: Self.deliveryInterval
            default: Self.bulkDeliveryInterval
            }
        feed.stream.deliver(block)
    }

    /// Gives waiting readers what there is: at once if the stream was quiet, otherwise not too often.
    func deliverFresh() {
        guard !fresh.isEmpty else { return }
        deliveryDue = .max
        var kept = 0
        for index in fresh.indices {
            let feed = fresh[index]
            var keeps = false
            if feed.filling != nil, feed.stream.notePartial() {
                let due = feed.lastDelivery + feed.deliveryInterval
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
}
