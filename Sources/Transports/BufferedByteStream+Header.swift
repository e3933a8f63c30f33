extension BufferedByteStream {
    /// Writes the header that says whose stream this is.
    ///
    /// - Throws: `ByteStreamError`, `CancellationError`.
    func writeHeader(contentName: String, pool: BlockPool) async throws {
        guard let header = StreamHeader.encode(contentName: contentName) else {
            throw ByteStreamError.closed("the content's name is too long")
        }
        try await write(pool.take(filledWith: header))
    }

    /// Reads the header, and nothing that follows it. The name comes from the peer.
    ///
    /// - Parameter pool: whose blocks are as large as those that are read.
    /// - Throws: `ByteStreamError`, `CancellationError`.
    func readHeader(pool: BlockPool) async throws -> String {
        var parser = StreamHeaderParser()
        while let block = try await read() {
            switch parser.consume(block.bytes) {
            case .incomplete: continue
            case .name(let name, let headerByteCount):
                if headerByteCount < block.count {
                    let rest = pool.take()
                    rest.storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: block.bytes[headerByteCount...]))
                    rest.count = block.count - headerByteCount
                    putBack(rest)
                }
                return name
            case .malformed:
                reset(code: StreamErrorCode.notAsNegotiated.rawValue)
                throw ByteStreamError.closed("the peer's stream header is malformed")
            }
        }
        throw ByteStreamError.closed("the peer closed the connection")
    }
}
