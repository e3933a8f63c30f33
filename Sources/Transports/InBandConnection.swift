internal import SecureChannels

/// A bytestream to one peer, for the one stream of one content.
///
/// Dropping the last reference closes it.
final class InBandConnection: PeerConnection {
    private let link: InBandLink
    private let contentName: String
    private let isEncrypted: Bool
    private let pool = BlockPool(blockByteCount: 4096, keep: 1)

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

    func openStream(contentName: String) async throws -> any ByteStream {
        if isEncrypted {
            guard let header = StreamHeader.encode(contentName: contentName) else {
                throw ByteStreamError.closed("the content's name is too long")
            }
            let block = pool.take()
            block.storage.copyBytes(from: header)
            block.count = header.count
            try await link.stream.write(block)
        }
        return InBandStream(stream: link.stream, connection: self)
    }

    func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        guard isEncrypted else { return (contentName, InBandStream(stream: link.stream, connection: self)) }
        var parser = StreamHeaderParser()
        while let block = try await link.stream.read() {
            switch parser.consume(block.bytes) {
            case .incomplete: continue
            case .name(let name, let headerByteCount):
                if headerByteCount < block.count {
                    let rest = BlockPool(blockByteCount: block.count, keep: 0).take()
                    rest.storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: block.bytes[headerByteCount...]))
                    rest.count = block.count - headerByteCount
                    link.stream.putBack(rest)
                }
                return (name, InBandStream(stream: link.stream, connection: self))
            case .malformed:
                link.stream.reset(code: 4)
                throw ByteStreamError.closed("the peer's stream header is malformed")
            }
        }
        throw ByteStreamError.closed("the peer closed the bytestream")
    }

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
    func finish() async throws { try await stream.finish() }
    func reset(code: UInt64) { stream.reset(code: code) }
}
