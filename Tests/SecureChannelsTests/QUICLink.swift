import TestSupport

@testable import SecureChannels

/// Bytes held for as long as the engine wants them.
final class HeldBytes {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ content: [UInt8]) {
        bytes = .allocate(byteCount: max(content.count, 1), alignment: 1)
        bytes.copyBytes(from: content)
        count = content.count
    }

    let count: Int
    var content: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[0..<count]) }

    deinit { bytes.deallocate() }
}

/// One end of a test connection, which records what happens to it.
final class QUICEnd: QUICConnectionDelegate {
    let connection: QUICConnection
    var received: [Int64: [UInt8]] = [:]
    var ended: Set<Int64> = []
    var opened: [QUICStream] = []
    var resets: [Int64: UInt64] = [:]
    var stopped: Set<Int64> = []
    var closedStreams: Set<Int64> = []
    var isHandshakeCompleted = false
    var isEstablished = false
    var closeReason: QUICCloseReason?
    var givesCredit = true
    var receivedBeforeEstablished = 0

    init(_ connection: QUICConnection) {
        self.connection = connection
        connection.delegate = self
    }

    deinit { connection.finish() }

    func connection(
        _ connection: QUICConnection, received bytes: UnsafeRawBufferPointer, isEnd: Bool, on stream: QUICStream
    ) {
        if !isEstablished, !connection.isEstablished { receivedBeforeEstablished += bytes.count }
        received[stream.id, default: []].append(contentsOf: bytes)
        if isEnd { ended.insert(stream.id) }
        if givesCredit { connection.credit(bytes.count, on: stream) }
    }

    func takeEvents() {
        while let event = connection.nextEvent() {
            switch event {
            case .handshakeCompleted: isHandshakeCompleted = true
            case .established: isEstablished = true
            case .streamOpened(let stream): opened.append(stream)
            case .streamReset(let stream, let code): resets[stream.id] = code
            case .streamStopped(let stream): stopped.insert(stream.id)
            case .streamClosed(let stream):
                closedStreams.insert(stream.id)
                connection.allowPeerStream(after: stream)
            case .streamsAvailable: break
            case .closed(let reason): closeReason = reason
            }
        }
    }

    func write(_ content: [UInt8], to stream: QUICStream) {
        let held = HeldBytes(content)
        connection.write(held.content, owner: held, to: stream)
    }
}

/// A client and a server in memory, with a clock that goes as fast as the work and a link as bad as wanted.
final class QUICLink {
    struct Condition {
        var delay: UInt64 = 10_000_000
        /// Added at random to each packet's delay, which also reorders.
        var jitter: UInt64 = 0
        var loss = 0.0
        var duplication = 0.0
        /// Bytes a second in each direction.
        var rate: UInt64 = 25_000_000
        /// Bytes that may wait for the link.
        var queue: UInt64 = 2_500_000
        /// Larger packets vanish.
        var mtu = 1500
    }

    var condition: Condition
    var now: UInt64 = 1_000_000_000
    var client: QUICEnd
    var server: QUICEnd
    /// Sees every packet on its way; returning false loses it.
    var filter: ((_ toServer: Bool, _ packet: [UInt8]) -> Bool)?
    var packetCount = 0
    var largestPacket = 0

    private var generator: SeededRandom
    private var inTransit: [(time: UInt64, order: Int, toServer: Bool, packet: [UInt8])] = []
    private var busyUntil: [UInt64] = [0, 0]
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    static let alice = Result { try DeviceCertificate.generate() }
    static let bob = Result { try DeviceCertificate.generate() }

    init(
        _ condition: Condition = Condition(), seed: UInt64 = 1, options: QUICOptions = QUICOptions(),
        clientExpects: Fingerprint? = nil, serverExpects: Fingerprint? = nil
    ) throws {
        self.condition = condition
        generator = SeededRandom(seed: seed)
        let alice = try Self.alice.get()
        let bob = try Self.bob.get()
        client = QUICEnd(
            try QUICConnection(
                role: .client, certificate: alice, peerFingerprint: clientExpects ?? bob.fingerprint,
                options: options, now: now))
        server = QUICEnd(
            try QUICConnection(
                role: .server, certificate: bob, peerFingerprint: serverExpects ?? alice.fingerprint,
                options: options, now: now))
    }

    deinit { buffer.deallocate() }

    /// Runs until the condition holds or nothing can happen any more or the virtual time is over.
    ///
    /// - Returns: whether the condition holds.
    @discardableResult
    func run(seconds: Double = 120, until isDone: () -> Bool) -> Bool {
        let end = now + UInt64(seconds * 1e9)
        pump()
        while !isDone() {
            var next = min(client.connection.expiry, server.connection.expiry)
            if let first = inTransit.last { next = min(next, first.time) }
            guard next < end else {
                now = end
                return isDone()
            }
            now = max(now, next)
            while let first = inTransit.last, first.time <= now {
                inTransit.removeLast()
                let receiver = first.toServer ? server : client
                first.packet.withUnsafeBytes { receiver.connection.receive($0, now: now) }
            }
            client.connection.handleExpiry(now: now)
            server.connection.handleExpiry(now: now)
            pump()
        }
        return true
    }

    /// Lets virtual time pass.
    func run(seconds: Double) { run(seconds: seconds) { false } }

    func establish() -> Bool { run(seconds: 30) { client.isEstablished && server.isEstablished } }

    func inject(_ packet: [UInt8], toServer: Bool) {
        let receiver = toServer ? server : client
        packet.withUnsafeBytes { receiver.connection.receive($0, now: now) }
    }

    private func pump() {
        for (end, toServer) in [(client, true), (server, false)] {
            end.takeEvents()
            while end.connection.nextProgressedStream() != nil {}
            while true {
                let batch = end.connection.send(into: buffer, now: now)
                guard batch.byteCount > 0 else { break }
                var offset = 0
                while offset < batch.byteCount {
                    let size = min(batch.segmentByteCount, batch.byteCount - offset)
                    transmit(Array(buffer[offset..<offset + size]), toServer: toServer)
                    offset += size
                }
            }
            end.takeEvents()
        }
    }

    private func transmit(_ packet: [UInt8], toServer: Bool) {
        packetCount += 1
        largestPacket = max(largestPacket, packet.count)
        if let filter, !filter(toServer, packet) { return }
        if packet.count + 28 > condition.mtu { return }
        if Double.random(in: 0..<1, using: &generator) < condition.loss { return }
        let copies = Double.random(in: 0..<1, using: &generator) < condition.duplication ? 2 : 1
        let direction = toServer ? 0 : 1
        let start = max(busyUntil[direction], now)
        let waiting = (start - now) * condition.rate / 1_000_000_000
        guard waiting < condition.queue else { return }
        busyUntil[direction] = start + UInt64(packet.count) * 1_000_000_000 / condition.rate
        for _ in 0..<copies {
            let jitter = condition.jitter > 0 ? UInt64.random(in: 0..<condition.jitter, using: &generator) : 0
            insert((busyUntil[direction] + condition.delay + jitter, packetCount, toServer, packet))
        }
    }

    /// Keeps the list sorted, the earliest last.
    private func insert(_ element: (time: UInt64, order: Int, toServer: Bool, packet: [UInt8])) {
        var low = 0
        var high = inTransit.count
        while low < high {
            let middle = (low + high) / 2
            let other = inTransit[middle]
            if (other.time, other.order) > (element.time, element.order) { low = middle + 1 } else { high = middle }
        }
        inTransit.insert(element, at: low)
    }
}

/// Repeatable content that differs at every offset.
func pattern(_ count: Int, seed: UInt64 = 7) -> [UInt8] {
    var generator = SeededRandom(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        var word = generator.next()
        for _ in 0..<8 {
            bytes.append(UInt8(truncatingIfNeeded: word))
            word >>= 8
        }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
}
