/// How many bytes went each way between two streams.
package struct JoinedByteCounts: Sendable, Hashable {
    /// From the first stream to the second.
    package var forth: UInt64 = 0
    /// From the second stream to the first.
    package var back: UInt64 = 0
}

extension ByteStream {
    /// Copies both directions between this stream and another, each until its own end.
    ///
    /// When one stream fails or the task is cancelled, both are reset.
    ///
    /// - Parameter code: what they are reset with.
    /// - Throws: `ByteStreamError`, `CancellationError`.
    package func join(_ other: any ByteStream, resettingWith code: UInt64) async throws -> JoinedByteCounts {
        do {
            return try await withThrowingTaskGroup(of: JoinedByteCounts.self) { group in
                group.addTask { JoinedByteCounts(forth: try await self.copy(to: other)) }
                group.addTask { JoinedByteCounts(back: try await other.copy(to: self)) }
                var counts = JoinedByteCounts()
                for try await part in group {
                    counts.forth += part.forth
                    counts.back += part.back
                }
                return counts
            }
        } catch {
            reset(code: code)
            other.reset(code: code)
            throw error
        }
    }

    /// Copies what can be read to another stream, and ends that direction of it.
    ///
    /// - Throws: `ByteStreamError`, `CancellationError`.
    func copy(to other: any ByteStream) async throws -> UInt64 {
        var byteCount: UInt64 = 0
        while let block = try await read() {
            byteCount += UInt64(block.count)
            try await other.write(block)
        }
        try await other.finish()
        return byteCount
    }
}
