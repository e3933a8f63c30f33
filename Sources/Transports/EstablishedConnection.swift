/// A connection that also tells why the transports before it failed.
struct EstablishedConnection: PeerConnection {
    let base: any PeerConnection
    let earlierReasons: [String]

    var path: PathReport {
        var path = base.path
        path.reasons.insert(contentsOf: earlierReasons, at: 0)
        return path
    }

    var carriesManyStreams: Bool { base.carriesManyStreams }
    var statistics: CarrierStatistics { base.statistics }

    func openStream(contentName: String) async throws -> any ByteStream {
        try await base.openStream(contentName: contentName)
    }

    func acceptStream() async throws -> (contentName: String, stream: any ByteStream) { try await base.acceptStream() }

    func close(code: UInt64) async { await base.close(code: code) }

    func waitUntilClosed() async throws { try await base.waitUntilClosed() }
}
