// RFC 9000 and 9001: a QUIC connection between two devices that know each other's fingerprint.
internal import CNGTCP2

/// Receives a connection's stream data.
package protocol QUICConnectionDelegate: AnyObject {
    /// The next bytes of a stream, in order; they are good during the call only. Give credit back once they are
    /// consumed.
    func connection(
        _ connection: QUICConnection, received bytes: UnsafeRawBufferPointer, isEnd: Bool, on stream: QUICStream)
}

/// Packets to be sent: all of `segmentByteCount` bytes except the last, which may be shorter.
package struct QUICBatch: Sendable, Hashable {
    /// The bytes written, 0 if there is nothing to send now.
    package var byteCount: Int
    /// The size of a packet.
    package var segmentByteCount: Int

    static let nothing = QUICBatch(byteCount: 0, segmentByteCount: 0)
}

/// One QUIC connection: packets in, packets out. No I/O and no clock: times are nanoseconds of any clock that only
/// goes forward.
///
/// After every call look at ``nextEvent()`` until there is none, then ``send(into:now:)`` until it gives nothing,
/// then come back at ``expiry``. No stream can be opened, and no data of ours leaves, before
/// `QUICEvent.established`: until then the peer may still refuse us or be refused. Not thread-safe.
package final class QUICConnection {
    enum State {
        /// A server without a packet yet.
        case waiting
        case handshaking
        case established
        /// We have closed; the last packet is repeated.
        case closing(QUICClosing)
        case finished
    }

    /// The largest packet ever written in bytes.
    package static let maximumPacketByteCount = 1500

    /// The side.
    package let role: QUICRole
    /// Gets the data; held strongly until ``finish()``.
    package var delegate: (any QUICConnectionDelegate)?

    let options: QUICOptions
    let peerFingerprint: Fingerprint
    var state: State
    var conn: OpaquePointer?
    var session: QUICSession?
    var isPeerVerified = false
    var isPeerRejected = false
    var isCompleted = false
    var events: [QUICEvent] = []
    var eventIndex = 0
    var streams: [Int64: QUICStream] = [:]
    var progressed: [QUICStream] = []
    var sendable: [QUICStream] = []
    var sendableIndex = 0
    var receiveGeneration: UInt64 = 0
    var counters = QUICStatistics()
    var lostPacketCountOfClosedStreams: UInt64 = 0
    /// Holds the bytes of streams back to the limit there is for them.
    var bucket: TokenBucket?
    /// Whether it holds them back now, and until when.
    var isHeldBack = false
    var heldBackUntil: UInt64 = .max

    /// Whether BBR still looks for the path's bandwidth, and is to go on.
    var startup: QUICStartup

    /// Streams whose end is acknowledged unless another loss shows before the deadline.
    var uncertainEnds: [QUICStream] = []
    var uncertainEndsDeadline: UInt64 = .max
    /// By how much the windows of open streams have grown.
    var windowGrowth: UInt64 = 0
    /// The time given with the latest call.
    var lastTime: UInt64

    /// The packet that did not fit the last batch, or the closing packet.
    let spare: UnsafeMutableRawPointer
    var carriedByteCount = 0

    let path: UnsafeMutablePointer<quic_path>
    let reference: UnsafeMutablePointer<ngtcp2_crypto_conn_ref>
    let vectors: UnsafeMutablePointer<ngtcp2_vec>
    static let vectorCount = 4

    private let certificate: DeviceCertificate
    private let startTime: UInt64

    /// Creates one side of a connection. A client sends its first packet at the next ``send(into:now:)``.
    ///
    /// - Parameters:
    ///   - certificate: who we are.
    ///   - peerFingerprint: the only certificate accepted from the peer.
    ///   - now: the time in nanoseconds.
    /// - Throws: `QUICFailure` when the library refuses the certificate or the settings.
    package init(
        role: QUICRole, certificate: DeviceCertificate, peerFingerprint: Fingerprint, options: QUICOptions,
        now: UInt64
    ) throws(QUICFailure) {
        self.role = role
        self.certificate = certificate
        self.peerFingerprint = peerFingerprint
        self.options = options
        startup = QUICStartup(isOver: options.congestionControl != .bbr)
        startTime = now
        lastTime = now
        state = .waiting
        spare = .allocate(byteCount: Self.maximumPacketByteCount, alignment: 16)
        path = .allocate(capacity: 1)
        quic_path_init(path)
        vectors = .allocate(capacity: Self.vectorCount)
        reference = .allocate(capacity: 1)
        reference.initialize(to: ngtcp2_crypto_conn_ref())
        reference.pointee.user_data = Unmanaged.passUnretained(self).toOpaque()
        reference.pointee.get_conn = quicConnectionOfReference
        switch role {
        case .client: try create(first: nil, now: now)
        case .server: try makeSession()
        }
    }

    deinit {
        if let conn { ngtcp2_conn_del(conn) }
        session = nil
        spare.deallocate()
        path.deallocate()
        vectors.deallocate()
        reference.deallocate()
    }

    /// Takes the next thing that has happened.
    package func nextEvent() -> QUICEvent? {
        guard eventIndex < events.count else {
            if eventIndex > 0 {
                events.removeAll(keepingCapacity: true)
                eventIndex = 0
            }
            return nil
        }
        defer { eventIndex += 1 }
        return events[eventIndex]
    }

    /// Takes a stream on which the peer has acknowledged something since it was last taken.
    package func nextProgressedStream() -> QUICStream? {
        guard let stream = progressed.popLast() else { return nil }
        stream.hasProgressed = false
        return stream
    }

    /// Whether data may flow.
    package var isEstablished: Bool {
        if case .established = state { true } else { false }
    }

    /// Whether nothing more is to be sent or received, ever.
    package var isFinished: Bool {
        if case .finished = state { true } else { false }
    }

    /// The time at which to call ``handleExpiry(now:)`` and ``send(into:now:)`` even if no packet came.
    package var expiry: UInt64 {
        switch state {
        case .waiting: startTime + options.handshakeTimeout.nanoseconds
        case .handshaking, .established:
            min(conn.map { ngtcp2_conn_get_expiry($0) } ?? .max, uncertainEndsDeadline, heldBackUntil)
        case .closing(let closing): min(closing.end, closing.due)
        case .finished: .max
        }
    }

    /// Takes one packet. What is not QUIC, or does not belong to this connection, is ignored.
    package func receive(_ packet: UnsafeRawBufferPointer, now: UInt64) {
        // ngtcp2 greases the fixed bit (RFC 9287), so STUN cannot be told apart here; it fails to decrypt.
        guard let start = packet.baseAddress, packet.count > 0 else { return }
        let bytes = start.assumingMemoryBound(to: UInt8.self)
        switch state {
        case .finished: return
        case .closing(var closing):
            closing.answer(now: now)
            state = .closing(closing)
            return
        case .waiting:
            var header = ngtcp2_pkt_hd()
            guard ngtcp2_accept(&header, bytes, packet.count) == 0, ngtcp2_is_supported_version(header.version) != 0
            else { return }
            do {
                try create(first: header, now: now)
            } catch {
                end(.failed(error.description))
                return
            }
        case .handshaking, .established: break
        }
        guard let conn else { return }
        counters.receivedByteCount += UInt64(packet.count)
        counters.receivedPacketCount += 1
        receiveGeneration &+= 1
        lastTime = now
        let status = quic_conn_read(conn, path, bytes, packet.count, now)
        guard status != 0 else { return }
        handleReadError(status, now: now)
    }

    /// Does what is due: retransmission, keep-alive, the end by silence.
    package func handleExpiry(now: UInt64) {
        switch state {
        case .finished: return
        case .waiting:
            if now >= expiry { end(.handshakeTimeout) }
        case .closing(let closing):
            if now >= closing.end { state = .finished }
        case .handshaking, .established:
            if now >= uncertainEndsDeadline { resolveUncertainEnds() }
            guard let conn, ngtcp2_conn_get_expiry(conn) <= now else { return }
            let status = ngtcp2_conn_handle_expiry(conn, now)
            switch status {
            case 0: return
            case NGTCP2_ERR_IDLE_CLOSE: end(isEstablished ? .idleTimeout : .handshakeTimeout)
            case NGTCP2_ERR_HANDSHAKE_TIMEOUT: end(.handshakeTimeout)
            default: fail(status, now: now)
            }
        }
    }

    /// What is known about the path.
    package var statistics: QUICStatistics {
        var result = counters
        result.lostPacketCount = lostPacketCountOfClosedStreams
        guard let conn else { return result }
        let numbers = quic_conn_get_numbers(conn)
        if numbers.smoothed_rtt > 0, numbers.min_rtt != .max {
            result.smoothedRTT = .nanoseconds(Int64(clamping: numbers.smoothed_rtt))
            result.minimumRTT = .nanoseconds(Int64(clamping: numbers.min_rtt))
        }
        result.congestionWindowByteCount = numbers.congestion_window
        result.inFlightByteCount = numbers.bytes_in_flight
        result.payloadByteCount = Int(ngtcp2_conn_get_path_max_tx_udp_payload_size(conn))
        if numbers.has_loss != 0 {
            result.lostPacketCount = numbers.packets_lost
            result.lostByteCount = numbers.bytes_lost
        } else {
            for stream in streams.values {
                result.lostPacketCount += UInt64(ngtcp2_conn_get_stream_loss_count(conn, stream.id))
            }
        }
        return result
    }

    private func resolveUncertainEnds() {
        uncertainEndsDeadline = .max
        for stream in uncertainEnds where !stream.isSendFinished {
            stream.isSendFinished = true
            noteProgress(stream)
        }
        uncertainEnds.removeAll()
    }

    private func makeSession() throws(QUICFailure) {
        session = try QUICSession(
            role: role, certificate: certificate, reference: reference, verify: quicVerifyPeer)
    }

    private func create(first: ngtcp2_pkt_hd?, now: UInt64) throws(QUICFailure) {
        if session == nil { try makeSession() }
        guard let session else { throw QUICFailure("no session") }
        var settings = quic_settings(options, role: role, now: now)
        var callbacks = ngtcp2_callbacks()
        quic_callbacks_init(&callbacks)
        setQUICCallbacks(&callbacks)
        var header = first ?? ngtcp2_pkt_hd()
        var created: OpaquePointer?
        let status = quic_conn_new(
            &created, &settings, &header, path, &callbacks, Unmanaged.passUnretained(self).toOpaque())
        guard status == 0, let created else { throw QUICFailure(String(cString: ngtcp2_strerror(status))) }
        ngtcp2_conn_set_tls_native_handle(created, UnsafeMutableRawPointer(session.handle))
        ngtcp2_conn_set_keep_alive_timeout(created, options.keepAlive.nanoseconds)
        conn = created
        state = .handshaking
    }

    private func handleReadError(_ status: CInt, now: UInt64) {
        switch status {
        case NGTCP2_ERR_DRAINING:
            guard let conn else { return }
            end(peerCloseReason(conn))
        case NGTCP2_ERR_DROP_CONN, NGTCP2_ERR_RETRY:
            // Only a server before the handshake: wait for a better first packet.
            guard role == .server, !isCompleted, let conn else { return fail(status, now: now) }
            ngtcp2_conn_del(conn)
            self.conn = nil
            session = nil
            state = .waiting
        case NGTCP2_ERR_CLOSING: return
        default: fail(status, now: now)
        }
    }
}
