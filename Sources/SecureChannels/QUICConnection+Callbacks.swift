internal import CNGTCP2

// The trampolines from the C libraries. They find their connection by the pointer given when it was made: the
// libraries call back only inside calls that the living connection makes.

extension QUICConnection {
    fileprivate static func of(_ pointer: UnsafeMutableRawPointer?) -> QUICConnection? {
        pointer.map { Unmanaged<QUICConnection>.fromOpaque($0).takeUnretainedValue() }
    }

    fileprivate func stream(_ id: Int64, _ pointer: UnsafeMutableRawPointer?) -> QUICStream? {
        if let pointer { return Unmanaged<QUICStream>.fromOpaque(pointer).takeUnretainedValue() }
        return streams[id]
    }

    fileprivate func handleCompleted() -> CInt {
        isCompleted = true
        guard isPeerVerified, session?.isApplicationProtocolSelected == true else {
            isPeerRejected = !isPeerVerified
            return NGTCP2_ERR_CALLBACK_FAILURE
        }
        events.append(.handshakeCompleted)
        // A server has seen the client's certificate and Finished: nothing is left to confirm (RFC 9001 § 4.1.2).
        if role == .server { becomeEstablished() }
        return 0
    }

    fileprivate func becomeEstablished() {
        guard case .handshaking = state else { return }
        state = .established
        events.append(.established)
    }

    fileprivate func handleData(
        _ id: Int64, _ known: UnsafeMutableRawPointer?, _ bytes: UnsafeRawBufferPointer, isEnd: Bool
    ) {
        guard let stream = stream(id, known) else { return }
        stream.deliveredByteCount += UInt64(bytes.count)
        delegate?.connection(self, received: bytes, isEnd: isEnd, on: stream)
    }

    fileprivate func handleOpen(_ id: Int64) {
        guard let conn else { return }
        let stream = QUICStream(id: id, isPeerInitiated: true)
        adopt(stream, conn)
        events.append(.streamOpened(stream))
    }

    fileprivate func handleClose(_ id: Int64, _ known: UnsafeMutableRawPointer?, isAborted: Bool) {
        guard let conn, let stream = stream(id, known) else { return }
        stream.lostPacketCount = UInt64(ngtcp2_conn_get_stream_loss_count(conn, id))
        lostPacketCountOfClosedStreams += stream.lostPacketCount
        // An aborted stream's end counts only if it was acknowledged before.
        if stream.endSent, !stream.isSendAborted, !isAborted { stream.isSendFinished = true }
        stream.isClosed = true
        returnGrowth(of: stream)
        stream.releaseAll()
        events.append(.streamClosed(stream))
        streams[id] = nil
    }

    fileprivate func handleAcknowledgement(
        _ id: Int64, _ known: UnsafeMutableRawPointer?, from offset: UInt64, count: UInt64
    ) {
        guard let conn, let stream = stream(id, known) else { return }
        stream.acknowledge(upTo: offset + count)
        noteProgress(stream)
        guard stream.endRequested, !stream.isSendFinished else { return }
        // Without bytes it can only be about the end.
        if count == 0 { stream.isEndAcknowledged = true }
        guard stream.endSent, stream.unacknowledgedByteCount == 0 else { return }
        if stream.isEndAcknowledged || !stream.endSentAlone {
            stream.isSendFinished = true
        } else if ngtcp2_conn_get_stream_loss_count(conn, id) > 0 {
            // After a loss the library may have joined an end sent alone to the last bytes, and does not say so.
            uncertainEnds.append(stream)
            uncertainEndsDeadline = min(uncertainEndsDeadline, lastTime + 4 * ngtcp2_conn_get_pto(conn))
        }
    }
}

let quicConnectionOfReference: @convention(c) (UnsafeMutablePointer<ngtcp2_crypto_conn_ref>?) -> OpaquePointer? = {
    QUICConnection.of($0?.pointee.user_data)?.conn
}

/// Accepts exactly the certificate that was signalled.
let quicVerifyPeer: @convention(c) (gnutls_session_t?) -> CInt = { session in
    guard let session,
        let reference = gnutls_session_get_ptr(session)?.assumingMemoryBound(to: ngtcp2_crypto_conn_ref.self),
        let connection = QUICConnection.of(reference.pointee.user_data)
    else { return GNUTLS_E_CERTIFICATE_ERROR }
    guard let fingerprint = QUICSession.peerFingerprint(session), fingerprint == connection.peerFingerprint else {
        connection.isPeerRejected = true
        return GNUTLS_E_CERTIFICATE_ERROR
    }
    connection.isPeerVerified = true
    return 0
}

func setQUICCallbacks(_ callbacks: inout ngtcp2_callbacks) {
    callbacks.handshake_completed = { _, user in
        QUICConnection.of(user)?.handleCompleted() ?? NGTCP2_ERR_CALLBACK_FAILURE
    }
    callbacks.handshake_confirmed = { _, user in
        QUICConnection.of(user)?.becomeEstablished()
        return 0
    }
    callbacks.recv_stream_data = { _, flags, id, _, data, count, user, streamUser in
        let bytes = UnsafeRawBufferPointer(start: data, count: count)
        QUICConnection.of(user)?.handleData(
            id, streamUser, bytes, isEnd: flags & UInt32(NGTCP2_STREAM_DATA_FLAG_FIN) != 0)
        return 0
    }
    callbacks.acked_stream_data_offset = { _, id, offset, count, user, streamUser in
        QUICConnection.of(user)?.handleAcknowledgement(id, streamUser, from: offset, count: count)
        return 0
    }
    callbacks.stream_open = { _, id, user in
        QUICConnection.of(user)?.handleOpen(id)
        return 0
    }
    callbacks.stream_close = { _, flags, id, _, user, streamUser in
        QUICConnection.of(user)?.handleClose(
            id, streamUser, isAborted: flags & UInt32(NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0)
        return 0
    }
    callbacks.stream_reset = { _, id, _, code, user, streamUser in
        guard let connection = QUICConnection.of(user), let stream = connection.stream(id, streamUser) else { return 0 }
        connection.events.append(.streamReset(stream, code: code))
        return 0
    }
    callbacks.extend_max_local_streams_bidi = { _, _, user in
        QUICConnection.of(user)?.events.append(.streamsAvailable)
        return 0
    }
}
