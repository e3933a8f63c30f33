// XEP-0047 § 2.2 and § 2.3: what the peer sends, from its blocks to the reader.
internal import SecureChannels
internal import XMPP

extension InBandLink {
    /// Takes a request of the peer's.
    ///
    /// - Parameter result: the answer, should it have to wait.
    func receive(_ request: InBandBytestream, _ result: IQ) -> Response {
        if case .over = phase { return .refused(InBandBytestream.unknown) }
        lastHeard = .now
        switch request {
        case .open(_, let size, let stanza):
            guard stanza == .iq else { return .refused(InBandBytestream.unwanted) }
            guard size <= blockSize else { return .refused(InBandBytestream.tooLarge) }
            // Both sides may open it at once.
            blockSize = size
            noteOpen()
            return .result
        case .data(_, let sequence, let bytes):
            // The answer to our `<open/>` may come by another way to here.
            noteOpen()
            do throws(StanzaError) {
                try receiver.receive(sequence: sequence, byteCount: bytes.count)
            } catch {
                end(.closed("the peer sent a block that does not follow"), tellsPeer: true)
                return .refused(error)
            }
            take(bytes)
            guard unreadByteCount > Self.unreadLimit else { return .result }
            guard unreadByteCount <= Self.unreadLimit + Self.excessLimit, unanswered.count < Self.unansweredLimit
            else {
                end(.closed("the peer sends faster than it may"), tellsPeer: true)
                return .refused(StanzaError(.resourceConstraint, kind: .wait))
            }
            unanswered.append(result)
            return .later
        case .close:
            guard closeRequest == nil else { return .refused(InBandBytestream.unknown) }
            closeRequest = result
            if case .negotiated = phase { end(.closed("the peer closed the bytestream"), tellsPeer: false) }
            carrier.signal.yield()
            return .later
        }
    }

    func take(_ bytes: [UInt8]) {
        guard let coder else {
            early += bytes
            unreadByteCount += bytes.count
            return
        }
        do throws(TLSError) {
            try coder.receive(bytes) { append($0) }
            if coder.isPeerEnded, !isReceiveFinished { finishReceiving() }
            if coder.isReady { secured.continuation.finish() }
        } catch {
            end(ByteStreamError(error), tellsPeer: true)
        }
        if let filling, filling.count > 0, stream.notePartial() { deliverFilling() }
        carrier.signal.yield()
    }

    private func append(_ bytes: UnsafeRawBufferPointer) {
        unreadByteCount += bytes.count
        var rest = bytes[...]
        while !rest.isEmpty {
            let block = filling ?? pool.take()
            filling = block
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(block.capacity - block.count))
            UnsafeMutableRawBufferPointer(rebasing: block.storage[block.count...]).copyMemory(from: part)
            block.count += part.count
            rest = rest.dropFirst(part.count)
            if block.count == block.capacity { deliverFilling() }
        }
    }

    func deliverFilling() {
        guard let block = filling, block.count > 0 else { return }
        filling = nil
        stream.deliver(block)
    }

    func finishReceiving() {
        deliverFilling()
        isReceiveFinished = true
        stream.deliverEnd()
        endedByPeer.continuation.finish()
    }
}
