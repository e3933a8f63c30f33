/// Whether the search for the path's bandwidth is to go on although packets get lost.
///
/// BBR sends ever faster at first, until three round trips have brought little more. While a loss is being repaired it sends
/// no more than arrives; where packets get lost at random, and not for want of room, that is most of the time, so that with
/// ngtcp2 0.12 it takes a small part of the bandwidth for all there is, and needs ten seconds or more for the rest. It does not
/// end the search in round trips in which the application had nothing to send.
///
/// Times are in nanoseconds.
struct QUICStartup {
    /// What is known of the path.
    struct Sample {
        var smoothedRTT: UInt64
        var minimumRTT: UInt64
        /// What arrives, and what may be sent, in bytes a second.
        var deliveryRate: UInt64
        var pacingRate: UInt64
        var sentPacketCount: UInt64
        var lostPacketCount: UInt64
    }

    /// Short paths find out soon enough.
    private static let minimumRTT: UInt64 = 10_000_000
    /// One loss in so many packets or more. With fewer the search is short of nothing, and would only end later.
    private static let lossShare: UInt64 = 150
    /// One in so many or more are lost for want of room, by a queue too short to be seen.
    private static let mostLossShare: UInt64 = 4
    /// In so many round trips more must have come to arrive, by this share.
    private static let roundTripCount: UInt64 = 10
    private static let growthShare: UInt64 = 16

    /// Whether nothing more is to be decided.
    private(set) var isOver: Bool
    /// When to call ``update(_:now:)``.
    private(set) var due: UInt64 = 0
    /// Whether the search is to go on.
    private(set) var isProlonged = false

    private var lastTime: UInt64 = 0
    private var markRate: UInt64 = 0
    private var markDue: UInt64 = 0

    /// Begins with nothing known.
    init(isOver: Bool = false) { self.isOver = isOver }

    /// Decides anew, while more waits to be sent than may be; nothing once it is over.
    mutating func update(_ sample: Sample, now: UInt64) {
        guard !isOver else { return }
        guard sample.deliveryRate > 0, sample.minimumRTT >= Self.minimumRTT else {
            isProlonged = false
            due = now + Self.minimumRTT
            return
        }
        due = now + sample.minimumRTT / 4
        // Who pauses is not slower for it, and not faster.
        let pause = now - lastTime
        if pause > 2 * sample.smoothedRTT { markDue += pause }
        lastTime = now
        // Packets that wait for each other say that there is no more; a delay by chance is shorter.
        let queueingDelay = sample.smoothedRTT - min(sample.minimumRTT, sample.smoothedRTT)
        // After the search it sends about what arrives.
        guard sample.pacingRate > 2 * sample.deliveryRate, queueingDelay < sample.minimumRTT / 2, isGrowing(sample, now)
        else {
            isOver = true
            isProlonged = false
            return
        }
        isProlonged =
            queueingDelay < sample.minimumRTT / 4
            && sample.lostPacketCount * Self.lossShare >= sample.sentPacketCount
            && sample.lostPacketCount * Self.mostLossShare < sample.sentPacketCount
    }

    /// Whether the rate has grown of late; where packets are lost for want of room, and do not wait, nothing else tells.
    private mutating func isGrowing(_ sample: Sample, _ now: UInt64) -> Bool {
        guard now >= markDue else { return true }
        defer {
            markRate = sample.deliveryRate
            markDue = now + Self.roundTripCount * sample.smoothedRTT
        }
        return sample.deliveryRate > markRate + markRate / Self.growthShare
    }
}
