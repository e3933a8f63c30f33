internal import NIOCore
internal import Synchronization

/// A TCP or Unix socket of this host as a stream of bytes.
///
/// Dropping the last reference aborts what has not ended.
package final class SocketStream: ByteStream {
    private let stream: BufferedByteStream
    let channel: any Channel
    /// What the kernel had and had not got rid of when ``flush()`` looked last.
    private let kernelByteCount = Atomic(0)
    /// How often it looks.
    private static let flushInterval = Duration.milliseconds(20)

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
    package var unacknowledgedByteCount: Int {
        stream.unacknowledgedByteCount + kernelByteCount.load(ordering: .relaxed)
    }
    package func write(_ block: Block) async throws { try await stream.write(block) }
    /// Returns when the kernel there has everything: what is with ours a reset throws away.
    package func flush() async throws {
        try await stream.flush()
        while true {
            // None when the socket is closed.
            let count = try? await channel.eventLoop.submit { [channel] in
                let context = try channel.pipeline.syncOperations.context(handlerType: SocketStreamHandler.self)
                return TCPSocket(context).unacknowledgedByteCount
            }.get()
            let byteCount = count ?? 0
            kernelByteCount.store(byteCount, ordering: .relaxed)
            if byteCount == 0 { return }
            try await Task.sleep(for: Self.flushInterval)
        }
    }
    /// Ends our direction, and returns when the kernel has everything.
    package func finish() async throws { try await stream.finish() }
    package func reset(code: UInt64) { stream.reset(code: code) }
}
