internal import CLinux
internal import Glibc
internal import SecureChannels

/// The thread of one connection: waits for packets, requests and timers, and moves packets between the path and the
/// engine. Everything here happens on that thread.
final class QUICLoop {
    private let core: QUICChannelCore
    private let engine: QUICConnection
    private let streams: QUICStreamTable
    private var path: any DatagramPath
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 64)

    private var now: UInt64 = 0
    /// What the path has not taken yet, in `buffer`.
    private var unsent = 0..<0
    private var unsentSegmentByteCount = 0
    private var statisticsTime: UInt64 = 0
    /// When to ask the path for a better one.
    private var pathChangeDue: UInt64 = .max
    /// What came since the thread last slept, and how long it then lets packets gather, in nanoseconds.
    private var roundByteCount = 0
    private var gatheringInterval: UInt64 = 0

    private static let statisticsInterval: UInt64 = 50_000_000
    /// Packets that come one by one cost far more than those that come together, so on a long path they may wait for
    /// each other: this share of the round trip, within limits.
    private static let gatheringShare: UInt64 = 32
    private static let minimumGatheringInterval: UInt64 = 100_000
    private static let maximumGatheringInterval: UInt64 = 2_000_000
    /// With more than this at a time packets do not gather: the kernel's buffer may be as small as 208 KiB.
    private static let maximumGatheringByteCount = 65_536
    /// How often packets are taken before anything is sent.
    private static let maximumCallCount = 16
    /// How soon to try again on a path that does not say when it has room.
    private static let retryInterval: UInt64 = 1_000_000
    /// How soon to ask a path again that does not give a better one yet.
    private static let pathChangeInterval: UInt64 = 20_000_000

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
        streams = QUICStreamTable(core: core, engine: engine)
    }

    deinit { buffer.deallocate() }

    fileprivate func run() {
        datagram_exact_timers()
        engine.delegate = streams
        var isReadable = true
        while true {
            now = datagram_now()
            streams.now = now
            if isReadable { isReadable = receive() }
            if engine.expiry <= now { engine.handleExpiry(now: now) }
            streams.handleRequests()
            handleEvents()
            if now >= pathChangeDue { changePath() }
            send()
            if let loss = path.loss { engine.losePath(loss) }
            handleEvents()
            streams.deliverFresh()
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

    /// Takes what waits, up to what is to be answered at once.
    ///
    /// - Returns: whether more may be waiting.
    private func receive() -> Bool {
        var isMore = true
        let limit = roundByteCount + Self.maximumGatheringByteCount
        // Whoever sends what is of no use keeps us from nothing.
        var callCount = 0
        while isMore, roundByteCount < limit, callCount < Self.maximumCallCount {
            callCount += 1
            isMore = path.receive { packet in
                roundByteCount += packet.count
                engine.receive(packet, now: now)
            }
        }
        return isMore
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
        let deadline = min(
            unsent.isEmpty ? engine.expiry : now + Self.retryInterval, streams.deliveryDue, pathChangeDue)
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

    private func handleEvents() {
        while let event = engine.nextEvent() {
            if case .established = event {
                pathChangeDue = now
                core.noteEstablished()
            }
            streams.handle(event)
        }
        streams.handleProgress()
    }

    private func changePath() {
        switch path.takeOver(roundTripTime: engine.statistics.smoothedRTT ?? .zero) {
        case .done(let next):
            pathChangeDue = .max
            // Nothing is added to the old path any more; what it holds comes first.
            while receive() {}
            path = next
        case .later: pathChangeDue = now + Self.pathChangeInterval
        case .never: pathChangeDue = .max
        }
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
