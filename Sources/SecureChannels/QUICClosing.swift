/// The state of a connection that we have closed: its last packet goes out again until the peer must have heard it
/// (RFC 9000 § 10.2).
struct QUICClosing {
    /// The size of the packet.
    let byteCount: Int
    /// When everything is over.
    let end: UInt64
    /// When the packet is to be sent next.
    private(set) var due: UInt64

    private let interval: UInt64
    private var sendCount = 3

    /// A peer that goes on sending is answered, but not every packet (RFC 9000 § 10.2.1).
    private static let answerInterval: UInt64 = 20_000_000
    /// A dead path is not worth more than a second.
    private static let maximumInterval: UInt64 = 333_000_000

    /// - Parameter probeTimeout: 0 when the packet is to be sent once.
    init(byteCount: Int, probeTimeout: UInt64, now: UInt64) {
        self.byteCount = byteCount
        interval = min(probeTimeout, Self.maximumInterval)
        end = now + 3 * interval
        due = now
    }

    /// Notes that the peer has sent something.
    mutating func answer(now: UInt64) {
        due = min(due, now + Self.answerInterval)
    }

    /// Whether the packet is to be sent now.
    mutating func takeTurn(now: UInt64) -> Bool {
        guard now >= due else { return false }
        sendCount -= 1
        // Repeated because nothing else would make a silent peer notice the loss of the only one.
        due = sendCount > 0 && interval > 0 ? now + interval : .max
        return true
    }
}
