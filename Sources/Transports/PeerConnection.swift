public import Jingle

/// Where two peers open streams to each other.
public protocol StreamExchange: Sendable {
    /// Opens a stream for a content.
    ///
    /// - Throws: `ByteStreamError`, `CancellationError`.
    func openStream(contentName: String) async throws -> any ByteStream

    /// Waits for the next stream the peer opens, and the content it belongs to. The name comes from the peer.
    ///
    /// - Throws: `ByteStreamError`, `CancellationError`.
    func acceptStream() async throws -> (contentName: String, stream: any ByteStream)
}

/// A connection to one authenticated peer, with streams, whatever carries it.
public protocol PeerConnection: StreamExchange {
    /// The path it takes now.
    var path: PathReport { get }

    /// Whether it carries more than one stream, opened by either side at any time.
    var carriesManyStreams: Bool { get }

    /// What the carrier has measured so far.
    var statistics: CarrierStatistics { get }

    /// Sends no faster than that from now on, all streams together; `nil` for as fast as the path allows. It is the carrier
    /// that changes its pace; what keeps the path alive is not held back.
    func limitSending(to limit: RateLimit?) async

    /// Ends the connection, and returns when the peer has been told or has had the time to learn it.
    ///
    /// - Parameter code: 0 when all is done; otherwise streams that are still open are aborted with it.
    func close(code: UInt64) async

    /// Waits until the peer has ended the connection, or it is over otherwise.
    ///
    /// - Throws: `CancellationError`.
    func waitUntilClosed() async throws
}

extension PeerConnection {
    /// One stream only.
    public var carriesManyStreams: Bool { false }

    /// Nothing is known.
    public var statistics: CarrierStatistics { CarrierStatistics() }

    /// Ends the connection when all is done.
    public func close() async { await close(code: 0) }
}
