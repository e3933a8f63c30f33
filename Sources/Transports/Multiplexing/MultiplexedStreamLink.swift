internal import NIOCore

/// What wakes the handler of a multiplexed stream.
final class MultiplexedStreamLink: ByteStreamCarrier {
    /// The work of a stream, as an event in its channel's pipeline.
    enum Request: Sendable { case work }

    /// How many written bytes of one stream may wait for the peer's window and for the connection.
    static let highWater = 512 << 10

    let creditThreshold = 16 << 10
    private let channel: any Channel

    init(channel: any Channel) { self.channel = channel }

    func enqueue(_ stream: BufferedByteStream) { channel.pipeline.fireUserInboundEventTriggered(Request.work) }
}
