internal import NIOCore
internal import Synchronization

/// What the handler of a TCP connection shares with the tasks that use the connection.
final class TCPLink: ByteStreamCarrier {
    /// How many written bytes may wait for the socket.
    static let highWater = 4 << 20

    let creditThreshold = 1 << 20
    let channel: any Channel
    /// The shortest round trip TCP saw before the stream was open.
    let minimumRoundTripTime: Duration
    private let known: Mutex<CarrierStatistics>
    private let kernelByteCount = Atomic(0)
    private let ended = AsyncStream.makeStream(of: Void.self)

    init(channel: any Channel, minimumRoundTripTime: Duration) {
        self.channel = channel
        self.minimumRoundTripTime = minimumRoundTripTime
        var statistics = CarrierStatistics()
        statistics.roundTripTime = minimumRoundTripTime
        known = Mutex(statistics)
    }

    func enqueue(_ stream: BufferedByteStream) { request(.work) }

    /// Asks the connection's handler for something.
    func request(_ request: TCPStreamHandler.Request) {
        channel.pipeline.fireUserInboundEventTriggered(request)
    }

    /// The round-trip time as TCP smoothes it.
    var smoothedRoundTripTime: Duration? { statistics.roundTripTime }

    /// What TCP says of the connection, at most a second old; while bytes wait for their acknowledgement, 0.1 s.
    var statistics: CarrierStatistics { known.withLock { $0 } }

    func store(_ statistics: CarrierStatistics) { known.withLock { $0 = statistics } }

    /// The bytes that the kernel has and the peer's TCP has not acknowledged; never less than that.
    var unacknowledgedByteCount: Int { kernelByteCount.load(ordering: .relaxed) }

    /// The kernel has taken bytes. On the event loop, as the next.
    func noteWritten(byteCount: Int) { kernelByteCount.add(byteCount, ordering: .relaxed) }

    /// What the kernel says of the bytes it was given.
    func store(unacknowledgedByteCount count: Int) {
        kernelByteCount.store(min(count, unacknowledgedByteCount), ordering: .relaxed)
    }

    /// The peer has ended its direction, or the connection is over.
    func noteEnded() { ended.continuation.finish() }

    func waitUntilEnded() async { for await _ in ended.stream {} }
}
