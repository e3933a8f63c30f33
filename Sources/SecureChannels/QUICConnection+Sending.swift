internal import CNGTCP2

extension QUICConnection {
    /// The largest integer QUIC can encode (RFC 9000 § 16).
    static var maximumVarint: UInt64 { (1 << 62) - 1 }

    /// More segments than this the kernel does not take in one call.
    static var maximumSegmentCount: Int { 60 }

    /// Writes the next packets, ready for one call with `UDP_SEGMENT`; nothing when there is nothing to send, or not
    /// yet (see ``expiry``).
    ///
    /// - Parameter buffer: at least 1500 bytes, best 64 KiB.
    package func send(into buffer: UnsafeMutableRawBufferPointer, now: UInt64) -> QUICBatch {
        switch state {
        case .waiting, .finished: return .nothing
        case .closing: return sendClosing(into: buffer, now: now)
        case .handshaking, .established: break
        }
        guard let conn, let start = buffer.baseAddress else { return .nothing }
        precondition(buffer.count >= Self.maximumPacketByteCount)

        var batch = QUICBatch.nothing
        var segmentCount = 0
        if carriedByteCount > 0 {
            start.copyMemory(from: spare, byteCount: carriedByteCount)
            batch = QUICBatch(byteCount: carriedByteCount, segmentByteCount: carriedByteCount)
            carriedByteCount = 0
            segmentCount = 1
        }
        // A datagram carries 65,507 bytes at most, 65,487 over IPv6 with its header counted.
        let quantum = Int(clamping: ngtcp2_conn_get_send_quantum(conn))
        let limit = min(buffer.count, 65_000, max(quantum, Self.maximumPacketByteCount))
        let packetLimit = Int(ngtcp2_conn_get_max_tx_udp_payload_size(conn))
        if sendable.count > 1 { sendableIndex = (sendableIndex + 1) % sendable.count }

        while batch.byteCount + packetLimit <= limit, segmentCount < Self.maximumSegmentCount {
            if bucket != nil { isHeldBack = bucket?.allowance(at: now) == 0 }
            let packet = start + batch.byteCount
            let written = writePacket(conn, packet.assumingMemoryBound(to: UInt8.self), packetLimit, now)
            if written < 0 {
                fail(CInt(clamping: written), now: now)
                return batch.byteCount > 0 ? batch : sendClosing(into: buffer, now: now)
            }
            if written == 0 { break }
            counters.sentByteCount += UInt64(written)
            counters.sentPacketCount += 1
            if segmentCount > 0, written > batch.segmentByteCount {
                spare.copyMemory(from: packet, byteCount: written)
                carriedByteCount = written
                break
            }
            if segmentCount == 0 { batch.segmentByteCount = written }
            segmentCount += 1
            batch.byteCount += written
            if written < batch.segmentByteCount { break }
        }
        ngtcp2_conn_update_pkt_tx_time(conn, now)
        noteHeldBack()
        return batch
    }

    /// Sends no more bytes of streams each second than that, all streams together; `nil` for as many as the path takes.
    /// What goes beside them, such as acknowledgements, and what is sent again, does not count and is not held back.
    package func limitSending(bytesPerSecond: UInt64?, now: UInt64) {
        bucket = bytesPerSecond.map { TokenBucket(bytesPerSecond: $0, now: now) }
        isHeldBack = false
        heldBackUntil = .max
    }

    /// Whether the search for the path's bandwidth goes on, now that no more may be sent for the time being.
    private func prolongsStartup(_ conn: OpaquePointer, _ now: UInt64) -> Bool {
        guard !startup.isOver else { return false }
        if now >= startup.due {
            let bandwidth = quic_conn_get_bandwidth(conn)
            let statistics = self.statistics
            startup.update(
                QUICStartup.Sample(
                    smoothedRTT: bandwidth.smoothed_rtt, minimumRTT: bandwidth.min_rtt == .max ? 0 : bandwidth.min_rtt,
                    deliveryRate: bandwidth.delivery_rate, pacingRate: bandwidth.pacing_rate,
                    sentPacketCount: statistics.sentPacketCount, lostPacketCount: statistics.lostPacketCount),
                now: now)
        }
        return startup.isProlonged
    }

    private func noteHeldBack() {
        let isWaiting = isHeldBack && sendable.contains(where: \.hasPendingBytes)
        heldBackUntil = isWaiting ? bucket?.wait() ?? .max : .max
    }

    private func writePacket(
        _ conn: OpaquePointer, _ packet: UnsafeMutablePointer<UInt8>, _ capacity: Int, _ now: UInt64
    ) -> Int {
        while true {
            guard let stream = nextSendable() else {
                return quic_conn_write(conn, packet, capacity, nil, 0, -1, nil, 0, now)
            }
            let (count, isAll) = stream.next(vectors, limit: Self.vectorCount)
            let isFinal = isAll && stream.endRequested
            var taken: ngtcp2_ssize = -1
            let written = quic_conn_write(
                conn, packet, capacity, &taken, isFinal ? 1 : 0, stream.id, vectors, count, now)
            if taken >= 0 {
                stream.advance(taken)
                bucket?.take(taken)
                if isFinal, !stream.hasPendingBytes {
                    stream.endSent = true
                    stream.endSentAlone = taken == 0
                }
            }
            switch CInt(clamping: written) {
            case NGTCP2_ERR_STREAM_DATA_BLOCKED:
                stream.blockedGeneration = receiveGeneration
            case NGTCP2_ERR_STREAM_SHUT_WR, NGTCP2_ERR_STREAM_NOT_FOUND:
                stream.isSendAborted = true
                events.append(.streamStopped(stream))
            default:
                guard written == 0, prolongsStartup(conn, now) else { return written }
                // Given nothing, the library takes it that there was nothing to send.
                return quic_conn_write(conn, packet, capacity, nil, 0, -1, nil, 0, now)
            }
        }
    }

    /// The stream whose turn it is; drops those with nothing left.
    private func nextSendable() -> QUICStream? {
        guard case .established = state else { return nil }
        var tries = sendable.count
        while tries > 0 {
            if sendableIndex >= sendable.count { sendableIndex = 0 }
            let stream = sendable[sendableIndex]
            if !stream.hasPending || stream.isClosed {
                stream.isSendable = false
                sendable.remove(at: sendableIndex)
            } else if stream.blockedGeneration == receiveGeneration || isHeldBack && stream.hasPendingBytes {
                sendableIndex += 1
            } else {
                return stream
            }
            tries -= 1
        }
        return nil
    }
}
