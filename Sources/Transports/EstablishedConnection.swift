internal import Jingle

/// A connection that also tells why the transports before it failed, and keeps to the limits that both sides want.
struct EstablishedConnection: PeerConnection {
    private let base: any PeerConnection
    private let earlierReasons: [String]
    private let limits: RateLimits
    private let readingPace: ReadingPace?

    /// Takes a connection on which nothing was sent yet.
    init(_ base: any PeerConnection, earlierReasons: [String], limits: RateLimits) async {
        self.base = base
        self.earlierReasons = earlierReasons
        self.limits = limits
        readingPace = limits.receiving.map { ReadingPace($0) }
        if let limit = limits.sending { await base.limitSending(to: limit) }
    }

    var path: PathReport {
        var path = base.path
        path.reasons.insert(contentsOf: earlierReasons, at: 0)
        path.limits = limits
        return path
    }

    var carriesManyStreams: Bool { base.carriesManyStreams }
    var statistics: CarrierStatistics { base.statistics }

    func openStream(contentName: String) async throws -> any ByteStream {
        paced(try await base.openStream(contentName: contentName))
    }

    func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        let (name, stream) = try await base.acceptStream()
        return (name, paced(stream))
    }

    /// The stream as its reader is to use it.
    func paced(_ stream: any ByteStream) -> any ByteStream {
        readingPace.map { ReadingPace.Stream(stream, $0) } ?? stream
    }

    func limitSending(to limit: RateLimit?) async { await base.limitSending(to: limit) }

    func close(code: UInt64) async { await base.close(code: code) }

    func leave() async { await base.leave() }

    func waitUntilClosed() async throws { try await base.waitUntilClosed() }
}
