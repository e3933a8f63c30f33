import Testing

@testable import SecureChannels

/// When the search for the bandwidth goes on, on a path of 100 ms.
@Suite struct QUICStartupTests {
    private static let roundTrip: UInt64 = 100_000_000

    private static func sample(
        rate: UInt64, rtt: UInt64 = roundTrip, minimumRTT: UInt64 = roundTrip, gain: UInt64 = 3, lost: UInt64 = 50
    ) -> QUICStartup.Sample {
        QUICStartup.Sample(
            smoothedRTT: rtt, minimumRTT: minimumRTT, deliveryRate: rate, pacingRate: gain * rate,
            sentPacketCount: 1000,
            lostPacketCount: lost)
    }

    @Test func goesOnAsLongAsTheRateGrows() {
        var startup = QUICStartup()
        for round: UInt64 in 0..<40 {
            startup.update(Self.sample(rate: 1_000_000 * (5 + round)), now: round * Self.roundTrip)
            #expect(startup.isProlonged)
        }
        for round: UInt64 in 40..<60 { startup.update(Self.sample(rate: 44_000_000), now: round * Self.roundTrip) }
        #expect(startup.isOver)
        #expect(!startup.isProlonged)
    }

    @Test(arguments: [
        // Without losses, or hardly any; with a queue; and below, on a short path; before anything is known.
        sample(rate: 1_000_000, lost: 0), sample(rate: 1_000_000, lost: 6), sample(rate: 1_000_000, rtt: 126_000_000),
        // With more losses than there are by chance.
        sample(rate: 1_000_000, lost: 250),
        sample(rate: 1_000_000, rtt: 5_000_000, minimumRTT: 5_000_000), sample(rate: 0), sample(rate: 1, minimumRTT: 0),
    ])
    func doesNotGoOn(sample: QUICStartup.Sample) {
        var startup = QUICStartup()
        startup.update(sample, now: 1)
        #expect(!startup.isProlonged)
        #expect(!startup.isOver)
        #expect(startup.due > 1)
    }

    @Test func aLongQueueEndsIt() {
        var startup = QUICStartup()
        startup.update(Self.sample(rate: 1_000_000), now: 0)
        startup.update(Self.sample(rate: 2_000_000, rtt: 150_000_000), now: Self.roundTrip)
        #expect(startup.isOver)
        startup.update(Self.sample(rate: 3_000_000), now: 2 * Self.roundTrip)
        #expect(!startup.isProlonged)
    }

    @Test func aShortQueueInterruptsIt() {
        var startup = QUICStartup()
        for (round, rtt) in [100, 130, 101].enumerated() {
            startup.update(
                Self.sample(rate: UInt64(round + 1) * 1_000_000, rtt: UInt64(rtt) * 1_000_000),
                now: UInt64(round) * Self.roundTrip)
            #expect(startup.isProlonged == (rtt < 125))
        }
    }

    @Test func endsWithTheSearchItself() {
        var startup = QUICStartup()
        startup.update(Self.sample(rate: 1_000_000), now: 0)
        startup.update(Self.sample(rate: 1_000_000, gain: 1), now: Self.roundTrip)
        #expect(startup.isOver)
        #expect(!startup.isProlonged)
    }

    @Test func aPathThatIsShorterAfterAllInterruptsIt() {
        var startup = QUICStartup()
        startup.update(Self.sample(rate: 1_000_000, rtt: 11_000_000, minimumRTT: 11_000_000), now: 0)
        #expect(startup.isProlonged)
        startup.update(Self.sample(rate: 1_000_000, rtt: 11_000_000, minimumRTT: 9_000_000), now: Self.roundTrip)
        #expect(!startup.isProlonged)
    }

    @Test func pausesDoNotProlongItForever() {
        var startup = QUICStartup()
        // Five round trips at a time, and a pause after them.
        for round: UInt64 in 0..<100 where round % 10 < 5 {
            startup.update(Self.sample(rate: 1_000_000), now: round * Self.roundTrip)
        }
        #expect(startup.isOver)
    }

    /// Who pauses, and goes on as fast as before, is no slower for it.
    @Test func aPauseIsNoLackOfGrowth() {
        var startup = QUICStartup()
        for time: UInt64 in [0, 1, 100, 109] {
            startup.update(Self.sample(rate: 1_000_000), now: time * Self.roundTrip)
            #expect(startup.isProlonged)
        }
    }
}
