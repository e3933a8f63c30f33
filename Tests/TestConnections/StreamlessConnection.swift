package import Jingle
package import Transports

/// A connection of which nothing is wanted: it opens no streams, and says that it is in-band.
package struct StreamlessConnection: PeerConnection {
    package init() {}

    package var path: PathReport { PathReport(kind: .inBand) }

    package func openStream(contentName: String) async throws -> any ByteStream {
        throw ByteStreamError.closed("there are no streams")
    }

    package func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        throw ByteStreamError.closed("there are no streams")
    }

    package func limitSending(to limit: RateLimit?) async {}
    package func close(code: UInt64) async {}
    package func waitUntilClosed() async throws {}
}
