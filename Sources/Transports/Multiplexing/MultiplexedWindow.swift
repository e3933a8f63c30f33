internal import NIOCore

/// RFC 9113 § 5.2: how much the peer may send on one stream before its reader takes some.
///
/// It begins small, and doubles while the reader empties it within two round trips, when it may be what holds the peer back.
/// So it ends at two to four times what the path holds, and a reader that is slow never has a large one.
struct MultiplexedWindow {
    /// What HTTP/2 gives each stream at its beginning.
    private static let protocolByteCount = 65_535
    /// How large it is at first, and at most.
    static let firstByteCount = 512 << 10
    static let limit = 16 << 20

    private(set) var byteCount = firstByteCount
    private let allowance: MultiplexedAllowance
    /// What was taken, and the peer does not know of.
    private var uncreditedByteCount = 0
    /// How much was taken since the window was last looked at, and when that was.
    private var takenByteCount = 0
    private var lookedAt: NIODeadline

    init(of allowance: MultiplexedAllowance, now: NIODeadline) {
        self.allowance = allowance
        lookedAt = now
    }

    /// What the peer is told when the stream is open.
    static var firstIncrement: Int { firstByteCount - protocolByteCount }

    /// The reader has taken bytes. Returns how many more the peer is to be told that it may send, when that is worth a frame.
    mutating func take(_ count: Int, now: NIODeadline) -> Int? {
        uncreditedByteCount += count
        takenByteCount += count
        if takenByteCount >= byteCount { grow(now) }
        guard uncreditedByteCount >= byteCount / 4 else { return nil }
        defer { uncreditedByteCount = 0 }
        return uncreditedByteCount
    }

    private mutating func grow(_ now: NIODeadline) {
        defer {
            takenByteCount = 0
            lookedAt = now
        }
        guard let roundTrip = allowance.roundTrip, now - lookedAt < roundTrip * 2 else { return }
        let growth = allowance.take(min(byteCount, Self.limit - byteCount))
        byteCount += growth
        uncreditedByteCount += growth
    }

    /// Gives back by how much it has grown, when nothing more comes.
    mutating func close() {
        allowance.giveBack(byteCount - Self.firstByteCount)
        byteCount = Self.firstByteCount
    }
}
