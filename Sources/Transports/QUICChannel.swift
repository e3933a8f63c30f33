public import SecureChannels

/// A QUIC connection to one authenticated peer, with any number of streams.
///
/// A thread of its own does the I/O for as long as the connection lives. Dropping the last reference closes it.
public final class QUICChannel: Sendable {
    private let core: QUICChannelCore

    private init(core: QUICChannelCore) { self.core = core }

    deinit { core.abandon() }

    /// Connects over a path and returns once both sides have authenticated each other.
    ///
    /// Once established, the channel asks the path to hand over its socket and goes on with that.
    ///
    /// - Parameters:
    ///   - role: the side with `setup='passive'` is the server.
    ///   - certificate: who we are.
    ///   - peerFingerprint: the only certificate accepted from the peer.
    ///   - path: how packets travel; the channel closes it.
    ///   - options: for a relayed path the packet size is limited as in `QUICOptions.relayed`.
    ///   - pool: where received bytes go.
    /// - Throws: `ByteStreamError.peerNotAuthenticated` when either side refused the other, `.pathLost` when the peer
    ///   did not answer in time, `CancellationError`.
    public static func connect(
        role: QUICRole, certificate: DeviceCertificate, peerFingerprint: Fingerprint, path: any DatagramPath,
        options: QUICOptions = QUICOptions(), pool: BlockPool = BlockPool()
    ) async throws -> QUICChannel {
        var options = options
        if path.isRelayed {
            options.payloadByteCount = min(options.payloadByteCount, QUICOptions.relayed.payloadByteCount)
        }
        let threshold = min(1 << 20, max(options.streamWindowByteCount / 8, 1))
        guard let core = QUICChannelCore(pool: pool, creditThreshold: threshold) else {
            path.close()
            throw ByteStreamError.closed("no descriptor left")
        }
        do {
            try QUICLoop.start(
                role: role, certificate: certificate, peerFingerprint: peerFingerprint, path: path, options: options,
                core: core)
        } catch {
            path.close()
            throw error
        }
        let channel = QUICChannel(core: core)
        try await core.wait(for: .established)
        return channel
    }

    /// Opens a stream for a content; waits while the peer allows no more streams.
    ///
    /// - Throws: `ByteStreamError`, `CancellationError`.
    public func openStream(contentName: String) async throws -> BufferedByteStream {
        guard let header = StreamHeader.encode(contentName: contentName) else {
            throw ByteStreamError.closed("the content's name is too long")
        }
        return try await core.openStream(header: header)
    }

    /// Waits for the next stream the peer opens, and the content it belongs to. The name comes from the peer.
    ///
    /// - Throws: `ByteStreamError`, `CancellationError`.
    public func acceptStream() async throws -> (contentName: String, stream: BufferedByteStream) {
        let accepted = try await core.acceptStream()
        return (accepted.contentName, accepted.stream)
    }

    /// Sends no more than so many bytes each second on all streams together, from what is written next; `nil` for as many
    /// as the path takes. The pace changes, not what may be written.
    public func limitSending(bytesPerSecond: UInt64?) { core.requestLimit(bytesPerSecond: bytesPerSecond) }

    /// Ends the connection and returns when the peer has been told, in three probe time-outs at most. What was
    /// received before can still be read.
    public func close(code: UInt64 = 0, reason: String = "") async {
        core.requestClose(code: code, reason: reason)
        try? await core.wait(for: .finished)
    }

    /// Ends the connection and tells the peer once, for whom it does not matter; returns when that packet is sent.
    public func leave() async {
        core.requestClose(code: 0, reason: "", repeats: false)
        try? await core.wait(for: .finished)
    }

    /// Waits until the connection is over.
    ///
    /// - Throws: `CancellationError`.
    public func waitUntilClosed() async throws -> QUICCloseReason {
        try await core.wait(for: .closed)
        return core.closeReason ?? .local(code: 0)
    }

    /// Why the connection is over, or `nil` while it lives.
    public var closeReason: QUICCloseReason? { core.closeReason }

    /// What is known about the path, at most 50 ms old.
    public var statistics: QUICStatistics { core.statistics }
}
