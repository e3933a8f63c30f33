/// How much the peer may send on one stream before its reader takes some.
///
/// It begins small, and doubles while the reader empties it within two round trips, when it may be what holds the peer back.
/// So it ends at two to four times what the path holds, and a reader that is slow never has a large one.
struct ReceiveWindow {
    /// How large it is at most.
    static let limit = 16 << 20

    /// How large it is at first.
    let firstByteCount: Int
    private(set) var byteCount: Int
    private let allowance: WindowAllowance
    /// What was taken, and the peer does not know of.
    private var uncreditedByteCount = 0
    /// How much was taken since the window was last looked at, and when that was.
    private var takenByteCount = 0
    private var lookedAt: ContinuousClock.Instant

    init(of byteCount: Int, within allowance: WindowAllowance, now: ContinuousClock.Instant = .now) {
        firstByteCount = byteCount
        self.byteCount = byteCount
        self.allowance = allowance
        lookedAt = now
    }

    /// The reader has taken bytes. Returns how many more the peer is to be told that it may send, when that is worth a frame.
    mutating func take(_ count: Int, now: @autoclosure () -> ContinuousClock.Instant = .now) -> Int? {
        uncreditedByteCount += count
        takenByteCount += count
        if takenByteCount >= byteCount { grow(now()) }
        guard uncreditedByteCount >= byteCount / 4 else { return nil }
        defer { uncreditedByteCount = 0 }
        return uncreditedByteCount
    }

    private mutating func grow(_ now: ContinuousClock.Instant) {
        defer {
            takenByteCount = 0
            lookedAt = now
        }
        guard now - lookedAt < allowance.interval else { return }
        let growth = allowance.take(min(byteCount, Self.limit - byteCount))
        byteCount += growth
        uncreditedByteCount += growth
    }

    /// Gives back by how much it has grown, when nothing more comes.
    mutating func close() {
        allowance.giveBack(byteCount - firstByteCount)
        byteCount = firstByteCount
    }
}
