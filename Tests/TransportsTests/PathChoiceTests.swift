import Testing

@testable import Transports

@Suite struct PathChoiceTests {
    private static let start = ContinuousClock.now
    private static func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    struct Case: CustomTestStringConvertible {
        var testDescription: String
        var udp: PathChoice.UDP = .pending
        var tcpMilliseconds: Int?
        var mayHaveTCP = true
        var atMilliseconds = 1000
        var verdict: PathChoice.Verdict
    }

    /// What is ready became so 1000 ms after the start.
    @Test(arguments: [
        Case(testDescription: "nothing yet", verdict: .wait(until: nil)),
        Case(testDescription: "short TCP wins at once", tcpMilliseconds: 5, verdict: .takeTCP),
        Case(
            testDescription: "short TCP wins over direct UDP",
            udp: .direct(roundTripTime: .milliseconds(1), since: after(1000)), tcpMilliseconds: 1, verdict: .takeTCP),
        Case(
            testDescription: "short UDP waits for TCP",
            udp: .direct(roundTripTime: .milliseconds(1), since: after(1000)),
            verdict: .wait(until: after(1100))),
        Case(
            testDescription: "but not for long", udp: .direct(roundTripTime: .milliseconds(1), since: after(1000)),
            atMilliseconds: 1100, verdict: .takeUDP),
        Case(
            testDescription: "nor where TCP is not tried",
            udp: .direct(roundTripTime: .milliseconds(1), since: after(1000)), mayHaveTCP: false, verdict: .takeUDP),
        Case(
            testDescription: "long UDP does not wait",
            udp: .direct(roundTripTime: .milliseconds(6), since: after(1000)), verdict: .takeUDP),
        Case(
            testDescription: "direct UDP wins over long TCP",
            udp: .direct(roundTripTime: .milliseconds(100), since: after(1000)), tcpMilliseconds: 100,
            verdict: .takeUDP),
        Case(testDescription: "long TCP waits for UDP", tcpMilliseconds: 6, verdict: .wait(until: after(4000))),
        Case(testDescription: "and then goes on", tcpMilliseconds: 6, atMilliseconds: 4000, verdict: .takeTCP),
        Case(
            testDescription: "long TCP wins over a relay", udp: .relayed, tcpMilliseconds: 100,
            verdict: .takeTCP),
        Case(testDescription: "long TCP without UDP", udp: .failed, tcpMilliseconds: 100, verdict: .takeTCP),
        Case(
            testDescription: "a relay waits for TCP", udp: .relayed,
            verdict: .wait(until: after(1200))),
        Case(
            testDescription: "and then goes on", udp: .relayed, atMilliseconds: 1200,
            verdict: .takeUDP),
        Case(
            testDescription: "a relay where TCP is not tried", udp: .relayed, mayHaveTCP: false,
            verdict: .takeUDP),
        Case(testDescription: "TCP may still come", udp: .failed, verdict: .wait(until: after(3500))),
        Case(testDescription: "TCP has not come", udp: .failed, atMilliseconds: 3500, verdict: .giveUp),
        Case(testDescription: "no UDP and no TCP", udp: .failed, mayHaveTCP: false, verdict: .giveUp),
    ])
    func verdict(expected: Case) {
        var choice = PathChoice(mayHaveTCP: expected.mayHaveTCP, start: Self.start)
        choice.udp = expected.udp
        choice.tcp = expected.tcpMilliseconds.map {
            PathChoice.TCP(roundTripTime: .milliseconds($0), since: Self.after(1000))
        }
        #expect(choice.verdict(at: Self.after(expected.atMilliseconds)) == expected.verdict)
    }
}
