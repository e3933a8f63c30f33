// XEP-0047 § 2.2: how many blocks are sent before the first is acknowledged.

/// How much of a bytestream is under way, and how much may be.
///
/// Whatever else goes over the XMPP stream waits behind the blocks, and servers limit the rate. So the window follows the
/// rate of the acknowledgements: about what comes through in one second is under way, and each block is a part of that.
public struct InBandWindow: Sendable {
    /// The most bytes under way.
    public static let maximumByteCount = 256 * 1024
    /// The most blocks under way.
    public static let maximumBlockCount = 64
    /// The smallest block that is worth a stanza, where there is more to send.
    public static let minimumBlockSize = 1024

    /// What is to be kept of a block until it is acknowledged.
    public struct Ticket: Sendable {
        /// The size of the block.
        public let byteCount: Int
        fileprivate let sentAt: ContinuousClock.Instant
        fileprivate let acknowledgedByteCount: Int
        fileprivate let isStarved: Bool
    }

    /// The bytes that were sent and not acknowledged.
    public private(set) var byteCount = 0
    /// The shortest time from a block to its acknowledgement; `nil` before the first.
    public private(set) var roundTripTime: Duration?
    /// The time from the last acknowledged block to its acknowledgement.
    public private(set) var latestRoundTripTime: Duration?

    private let blockSize: Int
    private var limit: Int
    private var blockCount = 0
    private var acknowledgedByteCount = 0
    private var bytesPerSecond: Double?

    /// Begins with two blocks.
    ///
    /// - Parameter blockSize: the most bytes of a block.
    public init(blockSize: UInt16) {
        self.blockSize = Int(blockSize)
        limit = 2 * Int(blockSize)
    }

    /// How many bytes the next block may have; 0 when an acknowledgement must come first.
    public var nextBlockByteCount: Int {
        let next = min(blockSize, max(limit / 2, Self.minimumBlockSize))
        if blockCount == 0 { return next }
        return blockCount < Self.maximumBlockCount && byteCount + next <= limit ? next : 0
    }

    /// Notes a block that is sent.
    ///
    /// - Parameter hasMore: whether more is to be sent: otherwise the rate that follows is the sender's own.
    public mutating func send(byteCount: Int, hasMore: Bool, at now: ContinuousClock.Instant) -> Ticket {
        self.byteCount += byteCount
        blockCount += 1
        return Ticket(
            byteCount: byteCount, sentAt: now, acknowledgedByteCount: acknowledgedByteCount,
            isStarved: !hasMore && nextBlockByteCount > 0)
    }

    /// Notes the acknowledgement of a block.
    public mutating func acknowledge(_ ticket: Ticket, at now: ContinuousClock.Instant) {
        byteCount -= ticket.byteCount
        blockCount -= 1
        acknowledgedByteCount += ticket.byteCount
        let time = now - ticket.sentAt
        roundTripTime = min(roundTripTime ?? time, time)
        latestRoundTripTime = time
        let sample = Double(acknowledgedByteCount - ticket.acknowledgedByteCount) / max(time / .seconds(1), 1e-6)
        if let rate = bytesPerSecond {
            if !ticket.isStarved || sample > rate { bytesPerSecond = rate + (sample - rate) / 4 }
        } else if !ticket.isStarved {
            bytesPerSecond = sample
        }
        guard let bytesPerSecond else { return }
        let target = min(max(Int(bytesPerSecond), 2 * Self.minimumBlockSize), Self.maximumByteCount)
        limit = min(limit + ticket.byteCount, target)
    }
}
