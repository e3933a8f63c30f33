internal import CNGTCP2

extension QUICConnection {
    /// Opens a stream; `nil` before the connection is established, and while the peer allows no more.
    package func openStream() -> QUICStream? {
        guard isEstablished, let conn else { return nil }
        var id: Int64 = -1
        guard ngtcp2_conn_open_bidi_stream(conn, &id, nil) == 0 else { return nil }
        let stream = QUICStream(id: id, isPeerInitiated: false)
        adopt(stream, conn)
        return stream
    }

    /// Queues bytes without copying them; `owner` is held until the peer has acknowledged them all, and they must not
    /// change until then.
    package func write(_ bytes: UnsafeRawBufferPointer, owner: AnyObject, to stream: QUICStream) {
        guard !stream.isClosed, !stream.endRequested, !stream.isSendAborted else { return }
        stream.append(owner: owner, bytes: bytes)
        makeSendable(stream)
    }

    /// Ends our direction after what is queued.
    package func end(_ stream: QUICStream) {
        guard !stream.isClosed, !stream.endRequested, !stream.isSendAborted else { return }
        stream.endRequested = true
        makeSendable(stream)
    }

    /// Aborts both directions: RESET_STREAM and STOP_SENDING (RFC 9000 § 2.4).
    package func reset(_ stream: QUICStream, code: UInt64) {
        guard !stream.isClosed, let conn else { return }
        stream.isSendAborted = true
        _ = quic_conn_shutdown_stream(conn, stream.id, min(code, Self.maximumVarint))
        returnCredit(stream)
    }

    /// Lets the peer send that many bytes more, because the user has consumed them.
    package func credit(_ byteCount: Int, on stream: QUICStream) {
        let left = stream.deliveredByteCount - stream.creditedByteCount
        let amount = min(UInt64(max(byteCount, 0)), left)
        guard amount > 0 else { return }
        stream.creditedByteCount += amount
        guard let conn, isEstablished else { return }
        if !stream.isClosed {
            _ = ngtcp2_conn_extend_max_stream_offset(conn, stream.id, amount + growth(of: stream))
        }
        ngtcp2_conn_extend_max_offset(conn, amount)
    }

    /// By how much the window of a stream is to grow: what it is, if the reader has emptied it within a few round trips, so
    /// that it may be what holds the peer back.
    private func growth(of stream: QUICStream) -> UInt64 {
        let limit = UInt64(max(options.maximumStreamWindowByteCount, 0))
        let window = UInt64(max(options.streamWindowByteCount, 0)) + stream.windowGrowth
        guard window < limit, stream.creditedByteCount - stream.windowMark.creditedByteCount >= window else { return 0 }
        let started = stream.windowMark.time
        stream.windowMark = (stream.creditedByteCount, lastTime)
        let roundTripTime = statistics.smoothedRTT?.nanoseconds ?? 0
        guard lastTime - min(started, lastTime) < 4 * roundTripTime else { return 0 }
        let growth = min(window, limit - window, UInt64(max(options.windowGrowthByteCount, 0)) - windowGrowth)
        stream.windowGrowth += growth
        windowGrowth += growth
        return growth
    }

    /// Takes back by how much the window of a stream had grown, which has ended.
    func returnGrowth(of stream: QUICStream) {
        windowGrowth -= stream.windowGrowth
        stream.windowGrowth = 0
    }

    /// Gives back the connection's credit for bytes nobody will read.
    package func returnCredit(_ stream: QUICStream) {
        credit(Int(clamping: stream.deliveredByteCount - stream.creditedByteCount), on: stream)
    }

    /// Lets the peer open another stream in place of one of its own that is closed and done with.
    package func allowPeerStream(after stream: QUICStream) {
        guard stream.isPeerInitiated, stream.isClosed, !stream.isReplaced, let conn, isEstablished else { return }
        stream.isReplaced = true
        ngtcp2_conn_extend_max_streams_bidi(conn, 1)
    }

    func adopt(_ stream: QUICStream, _ conn: OpaquePointer) {
        streams[stream.id] = stream
        // The dictionary holds the stream until the library's close callback, which is the last to see this pointer.
        _ = ngtcp2_conn_set_stream_user_data(conn, stream.id, Unmanaged.passUnretained(stream).toOpaque())
    }

    func makeSendable(_ stream: QUICStream) {
        guard !stream.isSendable else { return }
        stream.isSendable = true
        sendable.append(stream)
    }

    func noteProgress(_ stream: QUICStream) {
        guard !stream.hasProgressed else { return }
        stream.hasProgressed = true
        progressed.append(stream)
    }
}
