import Jingle
import SecureChannels
import Synchronization
import Testing
import Transports
import XMPP

@testable import FileTransfer

@Suite struct TransferRecordTests {
    private let peer: JID
    private let fingerprint: Fingerprint
    private let record = TransferRecord(started: .now)
    private let path = PathReport(kind: .direct)

    init() throws {
        peer = try #require(JID("bob@example.org/desk"))
        fingerprint = try #require(Fingerprint(bytes: [UInt8](repeating: 1, count: 32)))
    }

    private func session(_ sid: String) -> JingleSessionID { JingleSessionID(peer: peer, sid: sid) }

    private func lose(at byteCount: Int64) throws -> TransferRecord.Loss {
        try record.loss(after: TransferError.pathLost(byteCount: byteCount, "silence"))
    }

    private func expectInterruption(
        at byteCount: Int64, _ body: () throws -> TransferRecord.Loss, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: TransferError.self, sourceLocation: sourceLocation) { _ = try body() }
        guard case .interrupted(byteCount, _)? = error else {
            Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
    }

    @Test func aLossIsGoneOnWithAsLongAsThatBringsMore() throws {
        for number in 0..<TransferRecord.continuationLimit {
            record.connect(session("\(number)"), fingerprint, path, from: UInt64(number))
            let loss = try lose(at: Int64(number + 1))
            #expect(loss.session.sid == "\(number)")
        }
        record.connect(session("last"), fingerprint, path, from: 10)
        expectInterruption(at: 99) { try lose(at: 99) }
    }

    @Test func aContinuationThatBringsNothingIsTheLast() throws {
        record.connect(session("a"), fingerprint, path, from: 0)
        _ = try lose(at: 5)
        record.connect(session("b"), fingerprint, path, from: 5)
        expectInterruption(at: 5) { try lose(at: 5) }
    }

    /// A stream may be silent for long, and may go on as often as it likes while its sessions bring anything.
    @Test func aStreamGoesOnUntilNothingHelps() throws {
        let progress = Mutex(Int64(0))
        let record = TransferRecord(started: .now) { progress.withLock { $0 } }
        var number = 0
        func lose() throws {
            number += 1
            record.connect(session("\(number)"), fingerprint, path, from: 0)
            _ = try record.loss(after: TransferError.pathLost(byteCount: 3, "silence"))
        }
        for _ in 0..<30 {
            progress.withLock { $0 += 1 }
            try lose()
        }
        for _ in 1..<TransferRecord.fruitlessLimit { try lose() }
        #expect(throws: TransferError.self) { try lose() }
    }

    /// A peer that moves one byte in each session is left alone for longer and longer. How long is a lot, so many draw.
    @Test func sessionsThatDoNotLastArePausedBetween() throws {
        var longest: [Duration] = []
        for _ in 0..<200 {
            let progress = Mutex(Int64(0))
            let record = TransferRecord(started: .now) { progress.withLock { $0 } }
            for number in 0..<8 {
                progress.withLock { $0 += 1 }
                record.connect(session("\(number)"), fingerprint, path, from: 0)
                let pause = try record.loss(after: TransferError.pathLost(byteCount: 3, "silence")).pause
                if longest.count <= number { longest.append(.zero) }
                longest[number] = max(longest[number], pause)
            }
        }
        // The first loss is nobody's fault.
        #expect(longest[0] == .zero)
        let limits = [1, 2, 4, 8, 16, 20, 20].map(Duration.seconds)
        for (longest, limit) in zip(longest.dropFirst(), limits) {
            #expect(longest <= limit && longest > limit * 0.8)
        }
    }

    /// Nobody else goes on with it, though anybody may begin.
    @Test func aStreamGoesOnWithItsDeviceOnly() throws {
        let record = TransferRecord(started: .now) { 0 }
        try record.check(fingerprint, from: peer)
        record.connect(session("a"), fingerprint, path, from: 0)
        _ = try record.loss(after: TransferError.pathLost(byteCount: 0, "silence"))
        try record.check(fingerprint, from: peer)
        let other = Fingerprint(bytes: [UInt8](repeating: 2, count: 32))
        for fingerprint in [other, nil] {
            #expect(throws: TransferError.self) { try record.check(fingerprint, from: peer) }
        }
    }

    /// Neither before there was a path, nor to a device that has proved nothing.
    @Test func whatWasNotConnectedIsNotGoneOnWith() throws {
        expectInterruption(at: 0) { try lose(at: 0) }
        record.connect(session("a"), nil, path, from: 0)
        expectInterruption(at: 7) { try lose(at: 7) }
    }

    /// Of an attempt that fails before it is connected.
    @Test func theInterruptionRemains() throws {
        record.connect(session("a"), fingerprint, path, from: 0)
        _ = try lose(at: 5)
        expectInterruption(at: 5) { try lose(at: 0) }
        for error in [
            TransferError.noPath(["UDP is blocked"]), .peerOffline(peer), .notAnswered(peer), .declined(peer, nil),
            .withdrawn(peer), .serverConnectionLost("x"),
        ] {
            expectInterruption(at: 5) { try record.loss(after: error) }
        }
        expectInterruption(at: 5) { try record.loss(after: StanzaChannelError.timedOut) }
        #expect(throws: CancellationError.self) { try record.loss(after: CancellationError()) }
        #expect(throws: LocalFileError.self) { try record.loss(after: LocalFileError.notFolder(path: "x")) }
        let error = #expect(throws: TransferError.self) {
            try record.loss(after: TransferError.peerNotAuthenticated(peer))
        }
        guard case .peerNotAuthenticated? = error else { throw Unexpected() }
    }

    /// The same file, from the same device.
    @Test func onlyTheFileThatWasAcceptedIsGoneOnWith() throws {
        var file = FileDescription(name: "a.iso", size: 9)
        try record.check(file, fingerprint, from: peer)
        record.connect(session("a"), fingerprint, path, from: 0)
        try record.check(file, fingerprint, from: peer)
        let other = Fingerprint(bytes: [UInt8](repeating: 2, count: 32))
        #expect(throws: TransferError.self) { try record.check(file, other, from: peer) }
        #expect(throws: TransferError.self) { try record.check(file, nil, from: peer) }
        file.size = 10
        #expect(throws: TransferError.self) { try record.check(file, fingerprint, from: peer) }
        file = FileDescription(name: "b.iso", size: 9)
        #expect(throws: TransferError.self) { try record.check(file, fingerprint, from: peer) }
    }

    @Test func theSummaryCountsEverySession() throws {
        record.connect(session("a"), fingerprint, path, from: 2)
        record.begin(at: .now)
        _ = try lose(at: 5)
        record.connect(session("b"), fingerprint, path, from: 5)
        let summary = record.summary(
            name: "a.iso", peer: peer, byteCount: 9, sha256: "", isVerified: true,
            path: PathReport(kind: .inBand, reasons: ["UDP is blocked"]))
        #expect(summary.transferredByteCount == 7)
        #expect(summary.path.reasons == ["direct udp was lost: silence", "UDP is blocked"])
    }

    private struct Unexpected: Error {}
}
