internal import NIOCore

/// A TCP or Unix socket of this host as a stream of bytes.
///
/// Dropping the last reference aborts what has not ended.
package final class SocketStream: ByteStream {
    private let stream: BufferedByteStream
    let channel: any Channel

    private init(stream: BufferedByteStream, channel: any Channel) {
        self.stream = stream
        self.channel = channel
    }

    deinit { channel.close(promise: nil) }

    /// Takes a channel over; on its event loop, before it is active.
    static func takeOver(_ channel: any Channel, budget: BlockBudget) throws -> SocketStream {
        let handler = SocketStreamHandler(channel: channel, budget: budget)
        try channel.pipeline.syncOperations.addHandler(handler)
        return SocketStream(stream: handler.stream, channel: channel)
    }

    package func read() async throws -> Block? { try await stream.read() }
    package var unacknowledgedByteCount: Int { stream.unacknowledgedByteCount }
    package func write(_ block: Block) async throws { try await stream.write(block) }
    package func flush() async throws { try await stream.flush() }
    /// Ends our direction, and returns when the kernel has everything.
    package func finish() async throws { try await stream.finish() }
    package func reset(code: UInt64) { stream.reset(code: code) }
}
