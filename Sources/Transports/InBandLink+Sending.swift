// XEP-0047 § 2.2 and § 2.3: what we send, from the writer to the peer's acknowledgements.
internal import SecureChannels
internal import Synchronization
internal import XMPP

extension InBandLink {
    /// Does what the stream and the peer have asked for.
    func work() async {
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
        while case .open = phase, case let maximum = window.nextBlockByteCount, maximum > 0, mayGo(),
            let payload = try coder?.next(maximum: maximum)
        {
            bucket?.take(payload.bytes.count)
            let ticket = window.send(
                byteCount: payload.bytes.count, hasMore: coder?.hasOutput ?? false && mayGo(), at: .now)
            let answer = try await send(payload.bytes)
            pending.continuation.yield(Pending(answer: answer, block: (ticket, payload.completedByteCount)))
        }
    }

    /// Sends no more than that each second, from now on.
    func limitSending(bytesPerSecond: UInt64?) {
        bucket = bytesPerSecond.map { TokenBucket(bytesPerSecond: $0, now: nanoseconds) }
        carrier.signal.yield()
    }

    private var nanoseconds: UInt64 { (ContinuousClock.now - bucketStart).nanoseconds }

    /// Whether the limit permits a block now; if not, there is a signal when it does. A handshake is not held back.
    private func mayGo() -> Bool {
        guard coder?.isReady == true, coder?.hasOutput == true, bucket?.allowance(at: nanoseconds) == 0,
            let due = bucket?.wait()
        else { return true }
        heldBack.continuation.yield(bucketStart + .nanoseconds(Int64(clamping: due)))
        return false
    }

    private func send(_ bytes: [UInt8]) async throws -> PendingAnswer {
        let block = InBandBytestream.data(sid: id.sid, sequence: sequence, bytes: bytes)
        sequence &+= 1
        return try await channel.sendRequest(
            .set, to: id.peer, payload: block.element,
            timeout: isPeerSleigh ? limits.heldAcknowledgement : limits.acknowledgement)
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
    func sayFarewell() async {
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

    func takeAnswers() async {
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
}
