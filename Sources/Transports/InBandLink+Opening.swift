// XEP-0047 § 2.1: creating a bytestream.
internal import SecureChannels
internal import XMPP

extension InBandLink {
    /// The smallest block size asked for.
    private static let minimumBlockSize: UInt16 = 1024

    /// Opens the bytestream or waits for the peer to do so, and for TLS.
    ///
    /// - Parameters:
    ///   - opens: whether we send `<open/>`.
    ///   - blockSize: what both sides have agreed on.
    ///   - security: for TLS; `nil` when the bytes go as they are.
    /// - Throws: `TransportFailure`, `CancellationError`.
    func establish(opens: Bool, blockSize agreed: UInt16, security: Security?) async throws {
        blockSize = min(blockSize, agreed)
        if opens, case .negotiated = phase { try await open() }
        try await wait(for: opened.stream, limits.opening, "in-band: the peer did not open the bytestream")
        guard case .open = phase else { throw failure }
        window = InBandWindow(blockSize: blockSize)
        isPeerSleigh = security != nil
        do throws(TLSError) {
            let engine = try security.map { (security) throws(TLSError) in
                try TLSPeerEngine(
                    role: security.agreement.tlsRole, certificate: security.certificate,
                    peerFingerprint: security.agreement.peerFingerprint)
            }
            coder = InBandCoder(engine: engine)
        } catch {
            throw TransportFailure.unavailable("TLS cannot be started: \(error)")
        }
        let bytes = early
        early = []
        unreadByteCount -= bytes.count
        take(bytes)
        carrier.signal.yield()
        try await wait(for: secured.stream, limits.handshake, "the peer did not finish the handshake in time")
        guard case .open = phase else { throw failure }
    }

    private func open() async throws {
        while true {
            let request = InBandBytestream.open(sid: id.sid, blockSize: blockSize)
            do {
                try await channel.request(.set, to: id.peer, payload: request.element, timeout: limits.opening)
                return noteOpen()
            } catch let error as StanzaError {
                // The peer may have opened it itself.
                if case .open = phase { return }
                guard error.condition == .resourceConstraint, blockSize > Self.minimumBlockSize else {
                    throw TransportFailure.noPath([
                        "in-band: the peer refuses the bytestream: \(error.condition.rawValue)"
                    ])
                }
                blockSize = max(blockSize / 2, Self.minimumBlockSize)
            } catch StanzaChannelError.timedOut {
                if case .open = phase { return }
                throw TransportFailure.noPath(["in-band: the peer does not answer"])
            } catch let error as StanzaChannelError {
                throw TransportFailure.noPath(["\(ByteStreamError(inBand: error))"])
            }
        }
    }

    private func wait(for stream: AsyncStream<Void>, _ limit: Duration, _ obstacle: String) async throws {
        let isInTime = await withTaskGroup(of: Bool.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                for await _ in stream {}
                return true
            }
            group.addTask { (try? await Task.sleep(for: limit)) == nil }
            return await group.next() ?? true
        }
        try Task.checkCancellation()
        guard isInTime else { throw TransportFailure.noPath([obstacle]) }
    }

    private var failure: TransportFailure {
        switch phase {
        case .over(.peerNotAuthenticated): .peerNotAuthenticated
        case .over(.closed(let reason)), .over(.pathLost(let reason)): .noPath([reason])
        case .over(.reset), .negotiated, .open: .unavailable("the bytestream was closed")
        }
    }
}
