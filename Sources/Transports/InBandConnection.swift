internal import Jingle
internal import XMPP

/// A bytestream to one peer, for the one stream of one content.
///
/// Dropping the last reference closes it.
final class InBandConnection: PeerConnection {
    private let link: InBandLink
    private let contentName: String
    private let isEncrypted: Bool

    /// Creates the connection of an established link.
    ///
    /// - Parameters:
    ///   - contentName: the content whose stream it is, where no header says so.
    ///   - isEncrypted: whether TLS is inside, and with it the stream header.
    init(link: InBandLink, contentName: String, isEncrypted: Bool) {
        self.link = link
        self.contentName = contentName
        self.isEncrypted = isEncrypted
    }

    deinit { link.stream.reset(code: 0) }

    var path: PathReport {
        PathReport(kind: .inBand, isEndToEndEncrypted: isEncrypted, roundTripTime: link.roundTripTime)
    }

    var statistics: CarrierStatistics {
        var statistics = CarrierStatistics()
        statistics.roundTripTime = link.latestRoundTripTime
        return statistics
    }

    func openStream(contentName: String) async throws -> any ByteStream {
        if isEncrypted { try await link.stream.writeHeader(contentName: contentName, pool: link.pool) }
        return InBandStream(stream: link.stream, connection: self)
    }

    func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        let name = isEncrypted ? try await link.stream.readHeader(pool: link.pool) : contentName
        return (name, InBandStream(stream: link.stream, connection: self))
    }

    func limitSending(to limit: RateLimit?) async { await link.limitSending(bytesPerSecond: limit?.bytesPerSecond) }

    /// A code other than 0 aborts the bytestream, which does not carry it.
    func close(code: UInt64) async {
        if code != 0 { link.stream.reset(code: code) }
        await link.close()
    }

    /// For one caller at a time.
    func waitUntilClosed() async throws { try await link.waitUntilEndedByPeer() }
}

/// The stream of a connection, which keeps the connection.
private final class InBandStream: ByteStream {
    private let stream: BufferedByteStream
    private let connection: InBandConnection

    init(stream: BufferedByteStream, connection: InBandConnection) {
        self.stream = stream
        self.connection = connection
    }

    func read() async throws -> Block? { try await stream.read() }
    var unacknowledgedByteCount: Int { stream.unacknowledgedByteCount }
    func write(_ block: Block) async throws { try await stream.write(block) }
    func flush() async throws { try await stream.flush() }
    func finish() async throws { try await stream.finish() }
    func reset(code: UInt64) { stream.reset(code: code) }
}

extension ByteStreamError {
    /// What a failed request means to the bytestream.
    init(inBand error: any Error) {
        switch error {
        case StanzaChannelError.timedOut: self = .pathLost("nothing was heard from the peer")
        case StanzaChannelError.closed: self = .pathLost("the connection to the XMPP server was lost")
        case let error as StanzaError:
            switch error.condition {
            case .recipientUnavailable, .remoteServerNotFound, .remoteServerTimeout, .serviceUnavailable, .gone:
                self = .pathLost("the peer is not there any more")
            default: self = .closed("the peer refused a block: \(error.condition.rawValue)")
            }
        default: self.init(error)
        }
    }
}
