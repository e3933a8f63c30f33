internal import ICE
internal import Jingle
internal import SecureChannels
internal import Synchronization

/// QUIC over the pair that ICE selected.
struct QUICOverICE: PeerConnection {
    let channel: QUICChannel
    let transport: ICEQUICTransport
    /// What it began with.
    let pair: ICESelectedPair
    /// Why TCP was not taken.
    var reasons: [String] = []

    /// ICE may have found a better path since it began.
    var path: PathReport {
        var report = PathReport(transport.state.withLock { $0.pair } ?? pair)
        report.roundTripTime = channel.statistics.smoothedRTT
        report.reasons += reasons
        return report
    }

    var statistics: CarrierStatistics {
        let known = channel.statistics
        var statistics = CarrierStatistics()
        statistics.roundTripTime = known.smoothedRTT
        statistics.sentPacketCount = known.sentPacketCount
        statistics.lostPacketCount = known.lostPacketCount
        return statistics
    }

    /// The shortest round trip measured so far.
    var minimumRoundTripTime: Duration {
        channel.statistics.minimumRTT ?? channel.statistics.smoothedRTT ?? .zero
    }

    /// Whether a TURN server carries the packets.
    var isRelayed: Bool { if case .direct = pair.path { false } else { true } }

    var carriesManyStreams: Bool { true }

    func openStream(contentName: String) async throws -> any ByteStream {
        try await channel.openStream(contentName: contentName)
    }

    func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        let (name, stream) = try await channel.acceptStream()
        return (name, stream)
    }

    func limitSending(to limit: RateLimit?) async { channel.limitSending(bytesPerSecond: limit?.bytesPerSecond) }

    func close(code: UInt64) async { await channel.close(code: code) }

    func leave() async { await channel.leave() }

    func waitUntilClosed() async throws { _ = try await channel.waitUntilClosed() }
}

extension PathReport {
    init(_ pair: ICESelectedPair) {
        let kind: Kind =
            switch pair.path {
            case .direct: .direct
            case .relayed(_, let transport): .relay(turn: transport?.rawValue)
            }
        self.init(
            kind: kind, ipVersion: pair.localFamily == .ipv4 ? 4 : 6, localAddress: pair.local.address.description,
            remoteAddress: pair.remote.address.description, reasons: pair.obstacles.map(\.description))
    }
}
