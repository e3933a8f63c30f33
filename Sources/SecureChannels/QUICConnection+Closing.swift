internal import CNGTCP2

extension QUICConnection {
    /// Ends the connection; the peer is told with the next ``send(into:now:)``.
    ///
    /// - Parameter repeats: whether it is told again until it must have heard it, which takes three probe time-outs.
    package func close(code: UInt64, reason: String = "", repeats: Bool = true, now: UInt64) {
        switch state {
        case .closing, .finished: return
        case .waiting: end(.local(code: code))
        case .handshaking, .established:
            guard let conn else { return }
            let text = Array(reason.utf8.prefix(256))
            let written = quic_conn_close(
                conn, spare.assumingMemoryBound(to: UInt8.self), Self.maximumPacketByteCount, code, text, text.count,
                now)
            startClosing(packet: written, reason: .local(code: code), repeats: repeats, now: now)
        }
    }

    /// Ends the connection without a word to the peer, since there is no way to it any more. Why, as part of a sentence.
    package func losePath(_ why: String) {
        switch state {
        case .closing, .finished: return
        case .waiting, .handshaking, .established: end(.pathLost(why))
        }
    }

    /// Drops the delegate and every stream; for the user's last call.
    package func finish() {
        state = .finished
        delegate = nil
        releaseStreams()
    }

    /// Writes the closing packet if it is time.
    func sendClosing(into buffer: UnsafeMutableRawBufferPointer, now: UInt64) -> QUICBatch {
        guard case .closing(var closing) = state, buffer.count >= closing.byteCount, let start = buffer.baseAddress,
            closing.takeTurn(now: now)
        else { return .nothing }
        state = .closing(closing)
        start.copyMemory(from: spare, byteCount: closing.byteCount)
        counters.sentByteCount += UInt64(closing.byteCount)
        counters.sentPacketCount += 1
        return QUICBatch(byteCount: closing.byteCount, segmentByteCount: closing.byteCount)
    }

    func peerCloseReason(_ conn: OpaquePointer) -> QUICCloseReason {
        let close = quic_conn_peer_close(conn)
        let text = UnsafeBufferPointer(start: close.reason, count: close.reason == nil ? 0 : close.reason_length)
        let reason = String(decoding: text.prefix(256), as: UTF8.self)
        if close.is_application != 0 { return .peer(code: close.code, reason: reason) }
        // RFC 9001 § 4.8: a TLS alert; 42 to 48 and 116 are about the certificate.
        if case 0x100...0x1FF = close.code, [42, 43, 44, 45, 46, 48, 49, 51, 116].contains(close.code & 0xFF) {
            return isPeerRejected ? .peerNotAuthenticated : .refusedByPeer
        }
        return .peerTransport(code: close.code, reason: reason)
    }

    /// Closes because of an error that the library returned.
    func fail(_ status: CInt, now: UInt64) {
        guard let conn else { return end(.failed(String(cString: ngtcp2_strerror(status)))) }
        switch state {
        case .closing, .finished: return
        case .waiting, .handshaking, .established: break
        }
        var alert = ngtcp2_conn_get_tls_alert(conn)
        if alert == 0, isPeerRejected { alert = 42 }
        let reason: QUICCloseReason =
            isPeerRejected || alert == 116 ? .peerNotAuthenticated : .failed(String(cString: ngtcp2_strerror(status)))
        let written = quic_conn_fail(
            conn, spare.assumingMemoryBound(to: UInt8.self), Self.maximumPacketByteCount, status, alert, now)
        startClosing(packet: written, reason: reason, now: now)
    }

    private func startClosing(
        packet: ngtcp2_ssize, reason: QUICCloseReason, repeats: Bool = true, now: UInt64
    ) {
        guard packet > 0, let conn else { return end(reason) }
        carriedByteCount = 0
        let probeTimeout = repeats ? ngtcp2_conn_get_pto(conn) : 0
        state = .closing(QUICClosing(byteCount: packet, probeTimeout: probeTimeout, now: now))
        releaseStreams()
        events.append(.closed(reason))
    }

    /// Ends the connection without a word to the peer.
    func end(_ reason: QUICCloseReason) {
        state = .finished
        releaseStreams()
        events.append(.closed(reason))
    }

    private func releaseStreams() {
        // The library keeps pointers into the data but writes no more packets from here on.
        for stream in streams.values {
            stream.isClosed = true
            stream.releaseAll()
        }
        streams.removeAll()
        sendable.removeAll()
        progressed.removeAll()
    }
}
