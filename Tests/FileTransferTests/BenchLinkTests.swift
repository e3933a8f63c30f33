import Jingle
import Synchronization
import TestConnections
import Testing
import Transports

@testable import FileTransfer

/// The two sides of a measurement, over streams in memory, and one side alone with a peer that does not keep to the rules.
@Suite(.timeLimit(.minutes(10)))
struct BenchLinkTests {
    private final class Samples: Sendable {
        private let state = Mutex<[BenchSample]>([])
        var all: [BenchSample] { state.withLock { $0 } }
        func add(_ sample: BenchSample) { state.withLock { $0.append(sample) } }
    }

    /// Runs `body` while links carry their streams, and a peer without one does what it likes.
    private func carrying<Value: Sendable>(
        _ links: [BenchLink], peer: (@Sendable () async throws -> Void)? = nil,
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            defer { group.cancelAll() }
            for link in links {
                group.addTask {
                    try await link.run()
                    throw ByteStreamError.closed("the stream ended")
                }
            }
            if let peer {
                group.addTask {
                    try await peer()
                    return nil
                }
            }
            group.addTask { try await body() }
            for try await case let value? in group { return value }
            throw CancellationError()
        }
    }

    private func pair(streamCount: Int) -> (BenchLink, BenchLink) {
        let (first, second) = PipedStream.pair()
        let links = (BenchLink(StreamlessConnection(), first: first), BenchLink(StreamlessConnection(), first: second))
        for _ in 0..<streamCount {
            let (one, other) = PipedStream.pair()
            links.0.add(one)
            links.1.add(other)
            // It may have been there before anybody asked for it.
            links.1.events.put(.streamAdded)
        }
        return links
    }

    /// Both directions, over one stream for everything and over several: the figures of both sides fit.
    @Test(arguments: [0, 1, 3], BenchPhase.Direction.allCases)
    func phaseIsMeasured(streamCount: Int, direction: BenchPhase.Direction) async throws {
        let (initiator, responder) = pair(streamCount: streamCount)
        let size: UInt64 = 5_000_001
        let phase = BenchPhase(
            direction, streamCount: UInt16(streamCount), warmUpMilliseconds: 0, durationMilliseconds: 60_000,
            byteLimit: size)
        let (seen, seenThere) = (Samples(), Samples())
        let outcome = try await carrying([initiator, responder]) {
            async let there: Void = {
                let following = BenchFollowing(isInitiator: false) { seenThere.add($0) }
                let outcome =
                    direction == .up
                    ? try await responder.receive(phase, following) : try await responder.send(phase, following)
                try responder.say(.result(outcome.own))
            }()
            let following = BenchFollowing(isInitiator: true) { seen.add($0) }
            let outcome =
                direction == .up
                ? try await initiator.send(phase, following) : try await initiator.receive(phase, following)
            try await there
            return outcome
        }
        #expect(outcome.own.byteCount == size && outcome.peer?.byteCount == size)
        #expect(outcome.peer?.processorMicroseconds != nil)
        #expect(seen.all.last?.byteCount == size)
        #expect(seen.all.map(\.byteCount) == seen.all.map(\.byteCount).sorted())
    }

    /// The receiver says when it has seen enough, however much there would be.
    @Test func timeEndsAPhase() async throws {
        let (initiator, responder) = pair(streamCount: 2)
        let phase = BenchPhase(.up, streamCount: 2, warmUpMilliseconds: 100, durationMilliseconds: 200)
        let seen = Samples()
        let outcome = try await carrying([initiator, responder]) {
            async let there: Void = {
                let outcome = try await responder.receive(phase, BenchFollowing(isInitiator: false) { _ in })
                try responder.say(.result(outcome.own))
            }()
            let outcome = try await initiator.send(phase, BenchFollowing(isInitiator: true) { seen.add($0) })
            try await there
            return outcome
        }
        let last = try #require(seen.all.last)
        #expect(last.time >= phase.length)
        #expect(outcome.peer?.byteCount == outcome.own.byteCount)
        #expect(last.byteCount <= outcome.own.byteCount ?? 0)
    }

    /// No more is under way than the receiver takes in a short time.
    @Test func senderKeepsBackWhatTheReceiverDoesNotTake() throws {
        let started = ContinuousClock.now
        let sending = BenchSending(limit: 1 << 40, started: started)
        var sent: UInt64 = 0
        func sendAll() {
            while case .send(let byteCount) = sending.claim(100_000) { sent += UInt64(byteCount) }
        }
        sendAll()
        #expect(sent == 500_000 && sending.claim(100_000) == .wait)
        _ = try sending.note(BenchArrival(microseconds: 100_000, byteCount: 500_000), at: started + .seconds(1))
        sendAll()
        // What came in half a second, four times.
        #expect(sent == 500_000 + 2_000_000)
        for second in 1...4 as ClosedRange<UInt64> {
            let arrival = BenchArrival(microseconds: second * 1_000_000, byteCount: 500_000 + second)
            _ = try sending.note(arrival, at: started + .seconds(9))
        }
        sending.stop()
        #expect(sending.claim(1) == .over)
    }

    // MARK: - Peers that break the rules

    private static let phase = BenchPhase(.up, streamCount: 0, warmUpMilliseconds: 0, durationMilliseconds: 60_000)

    private static func account(_ change: (inout BenchAccount) -> Void) -> BenchFrame {
        var account = BenchAccount()
        change(&account)
        return .result(account)
    }

    static let lies: [[BenchFrame]] = [
        // More than was sent, more time than has passed, less than before.
        [.report(BenchArrival(microseconds: 0, byteCount: 1 << 50))],
        [.report(BenchArrival(microseconds: 3_600_000_000, byteCount: 0))],
        [.report(BenchArrival(microseconds: .max, byteCount: 0))],
        [
            .report(BenchArrival(microseconds: 1000, byteCount: 5)),
            .report(BenchArrival(microseconds: 2000, byteCount: 4)),
        ],
        [
            .report(BenchArrival(microseconds: 2000, byteCount: 5)),
            .report(BenchArrival(microseconds: 1000, byteCount: 6)),
        ],
        Array(repeating: .report(BenchArrival(microseconds: 0, byteCount: 0)), count: 5000),
        // Out of turn, or the answer to nothing.
        [.start(phase)], [.pong(77)], [.end],
        // Accounts that cannot be true.
        [account { $0.processorMicroseconds = .max - 1 }], [account { $0.byteCount = 1 << 60 }],
        [account { $0.sentPacketCount = 1 << 60 }],
        [
            account {
                $0.leastRoundTrip = 3
                $0.medianRoundTrip = 2
                $0.mostRoundTrip = 1
            }
        ],
        [account { $0.mostRoundTrip = 1 << 50 }],
    ]

    @Test(arguments: lies.indices)
    func liesEndTheMeasurement(index: Int) async throws {
        let (near, far) = PipedStream.pair()
        let link = BenchLink(StreamlessConnection(), first: near)
        await #expect(throws: TransferError.self) {
            try await carrying(
                [link],
                peer: {
                    let blocks = BlockPool()
                    // Some of it has been sent then.
                    _ = try await far.read()
                    for frame in Self.lies[index] { try await far.write(block(frame.bytes, from: blocks)) }
                    // Reads on, as a full stream would hide what is wrong.
                    while try await far.read() != nil {}
                }
            ) {
                try await link.send(Self.phase, BenchFollowing(isInitiator: true) { _ in })
            }
        }
    }

    /// Nobody fills a stream for nothing, asks without taking answers, or ends within a frame.
    @Test(arguments: ["filling", "pings", "half a frame", "no frame"])
    func whatNobodyAskedForEndsTheMeasurement(what: String) async throws {
        let (near, far) = PipedStream.pair()
        let link = BenchLink(StreamlessConnection(), first: near)
        await #expect(throws: TransferError.self) {
            try await carrying([link]) {
                let blocks = BlockPool()
                switch what {
                case "filling":
                    let filling = BenchFilling(blocks)
                    while true { try await far.write(filling.frame(byteCount: BenchFilling.byteCount, blocks)) }
                case "pings":
                    while true { try await far.write(block(BenchFrame.ping(1).bytes, from: blocks)) }
                case "half a frame":
                    try await far.write(block(BenchFrame.ping(1).bytes.dropLast(), from: blocks))
                    try await far.finish()
                default: try await far.write(block([99, 1, 2, 3, 4, 5], from: blocks))
                }
                while try await far.read() != nil {}
            }
        }
    }
}
