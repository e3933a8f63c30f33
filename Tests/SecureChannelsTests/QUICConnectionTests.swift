import TestSupport
import Testing

@testable import SecureChannels

@Suite struct QUICConnectionTests {
    static let badLinks: [QUICLink.Condition] = [
        QUICLink.Condition(),
        QUICLink.Condition(delay: 50_000_000, jitter: 5_000_000, loss: 0.01, duplication: 0.02),
        QUICLink.Condition(delay: 50_000_000, jitter: 30_000_000, loss: 0.05, duplication: 0.1),
        QUICLink.Condition(delay: 5_000_000, queue: 60_000),
        QUICLink.Condition(delay: 50_000_000, mtu: 1400),
    ]

    @Test(arguments: badLinks, QUICCongestionControl.allCases)
    func carriesBytesBothWays(condition: QUICLink.Condition, control: QUICCongestionControl) throws {
        var options = QUICOptions()
        options.congestionControl = control
        let link = try QUICLink(condition, options: options)
        #expect(link.establish())
        let up = pattern(1_500_000, seed: 3)
        let down = pattern(700_000, seed: 4)
        let stream = try #require(link.client.connection.openStream())
        for start in stride(from: 0, to: up.count, by: 100_000) {
            link.client.write(Array(up[start..<min(start + 100_000, up.count)]), to: stream)
        }
        link.client.connection.end(stream)
        #expect(link.run { !link.server.opened.isEmpty })
        let answer = try #require(link.server.opened.first)
        link.server.write(down, to: answer)
        link.server.connection.end(answer)
        #expect(
            link.run(seconds: 300) { link.server.closedStreams.contains(0) && link.client.closedStreams.contains(0) })
        #expect(link.server.received[0] == up)
        #expect(link.client.received[0] == down)
        #expect(link.server.ended == [0])
        #expect(link.client.ended == [0])
        #expect(stream.isSendFinished)
        #expect(answer.isSendFinished)
        #expect(stream.unacknowledgedByteCount == 0 || stream.isClosed)
    }

    @Test func dataAreReleasedWhenAcknowledged() throws {
        final class Token {}
        let link = try QUICLink()
        #expect(link.establish())
        let stream = try #require(link.client.connection.openStream())
        weak var weakHeld: HeldBytes?
        do {
            let held = HeldBytes(pattern(50_000))
            weakHeld = held
            link.client.connection.write(held.content, owner: held, to: stream)
        }
        #expect(weakHeld != nil)
        #expect(stream.unacknowledgedByteCount == 50_000)
        #expect(link.run { stream.unacknowledgedByteCount == 0 })
        #expect(weakHeld == nil)
        #expect(!stream.isSendFinished)
    }

    @Test func endsEachDirectionOnItsOwn() throws {
        let link = try QUICLink()
        #expect(link.establish())
        let stream = try #require(link.client.connection.openStream())
        link.client.write([1, 2, 3], to: stream)
        #expect(link.run { stream.unacknowledgedByteCount == 0 })
        #expect(link.server.ended.isEmpty)
        link.client.connection.end(stream)
        #expect(link.run { stream.isSendFinished })
        #expect(link.server.ended == [0])
        #expect(!stream.isClosed)
        let answer = try #require(link.server.opened.first)
        link.server.write([9], to: answer)
        #expect(link.run { link.client.received[0] == [9] })
        #expect(link.client.ended.isEmpty)
    }

    @Test(arguments: UInt64(0)..<12) func acknowledgesAnEndSentAloneOverALossyLink(seed: UInt64) throws {
        let link = try QUICLink(QUICLink.Condition(loss: 0.3), seed: seed)
        #expect(link.establish())
        let stream = try #require(link.client.connection.openStream())
        link.client.write(pattern(5000), to: stream)
        link.run(seconds: 0)
        link.client.connection.end(stream)
        #expect(link.run(seconds: 15) { stream.isSendFinished })
        #expect(link.server.ended == [0])
    }

    @Test func emptyStreamsEnd() throws {
        let link = try QUICLink()
        #expect(link.establish())
        let stream = try #require(link.client.connection.openStream())
        link.client.connection.end(stream)
        #expect(link.run { stream.isSendFinished && link.server.ended == [0] })
    }

    @Test func resetReachesThePeer() throws {
        let link = try QUICLink()
        #expect(link.establish())
        let stream = try #require(link.client.connection.openStream())
        link.client.write(pattern(3_000_000), to: stream)
        #expect(link.run { !link.server.opened.isEmpty })
        link.client.connection.reset(stream, code: 77)
        #expect(link.run { link.server.resets[0] != nil && link.client.closedStreams.contains(0) })
        #expect(link.server.resets == [0: 77])
        let answer = try #require(link.server.opened.first)
        #expect(link.run { answer.isClosed })
        #expect(!answer.isSendFinished)
        #expect(!stream.isSendFinished)
    }

    @Test func flowControlHoldsTheSender() throws {
        var options = QUICOptions()
        options.streamWindowByteCount = 100_000
        options.connectionWindowByteCount = 100_000
        let link = try QUICLink(options: options)
        link.server.givesCredit = false
        #expect(link.establish())
        let stream = try #require(link.client.connection.openStream())
        link.client.write(pattern(300_000), to: stream)
        link.run(seconds: 3)
        #expect(link.server.received[0]?.count == 100_000)
        link.server.givesCredit = true
        link.server.connection.returnCredit(try #require(link.server.opened.first))
        #expect(link.run { link.server.received[0]?.count == 300_000 })
    }

    @Test func manyStreamsShareTheConnection() throws {
        var options = QUICOptions()
        options.peerStreamCount = 4
        let link = try QUICLink(options: options)
        #expect(link.establish())
        var started = 0
        var finished = true
        for _ in 0..<20 {
            var stream = link.client.connection.openStream()
            if stream == nil {
                finished = link.run {
                    for opened in link.server.opened where !opened.isClosed { link.server.connection.end(opened) }
                    stream = link.client.connection.openStream()
                    return stream != nil
                }
            }
            let open = try #require(stream)
            link.client.write(pattern(20_000, seed: UInt64(open.id)), to: open)
            link.client.connection.end(open)
            started += 1
        }
        #expect(finished)
        #expect(link.run { link.server.ended.count == started })
        for (id, bytes) in link.server.received { #expect(bytes == pattern(20_000, seed: UInt64(id))) }
    }

    // MARK: Authentication

    @Test func nothingFlowsBeforeBothAreAuthenticated() throws {
        let link = try QUICLink()
        #expect(link.client.connection.openStream() == nil)
        #expect(link.run { link.client.isHandshakeCompleted })
        #expect(!link.client.isEstablished)
        #expect(link.client.connection.openStream() == nil)
        #expect(link.establish())
        #expect(link.client.connection.openStream() != nil)
    }

    @Test func clientRefusesAnUnknownServer() throws {
        let wrong = try DeviceCertificate.generate().fingerprint
        let link = try QUICLink(clientExpects: wrong)
        #expect(link.run(seconds: 20) { link.client.closeReason != nil && link.server.closeReason != nil })
        #expect(link.client.closeReason == .peerNotAuthenticated)
        #expect(link.server.closeReason == .refusedByPeer)
        #expect(!link.client.isEstablished)
        #expect(!link.server.isEstablished)
    }

    @Test func serverRefusesAnUnknownClient() throws {
        let wrong = try DeviceCertificate.generate().fingerprint
        let link = try QUICLink(serverExpects: wrong)
        #expect(link.run(seconds: 20) { link.client.closeReason != nil && link.server.closeReason != nil })
        #expect(link.server.closeReason == .peerNotAuthenticated)
        #expect(link.client.closeReason == .refusedByPeer)
        #expect(!link.client.isEstablished)
        #expect(!link.server.isEstablished)
        #expect(link.server.received.isEmpty)
    }

    @Test func serverRefusesAClientWithoutCertificate() throws {
        let link = try QUICLink()
        try #require(link.client.connection.session).forgetCertificate()
        #expect(link.run(seconds: 20) { link.server.closeReason != nil })
        #expect(link.server.closeReason == .peerNotAuthenticated)
        #expect(link.run(seconds: 20) { link.client.closeReason != nil })
        #expect(link.client.closeReason == .refusedByPeer)
        #expect(!link.server.isEstablished)
    }

    // MARK: The path

    @Test func strayPacketsAreIgnored() throws {
        let link = try QUICLink()
        var generator = SeededRandom(seed: 5)
        let stun: [UInt8] = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42] + pattern(12)
        for _ in 0..<200 {
            link.inject(stun, toServer: true)
            link.inject(pattern(Int.random(in: 0..<1500, using: &generator), seed: generator.next()), toServer: true)
        }
        #expect(link.establish())
        for _ in 0..<200 {
            for toServer in [true, false] {
                link.inject(stun, toServer: toServer)
                link.inject(
                    pattern(Int.random(in: 0..<1500, using: &generator), seed: generator.next()), toServer: toServer)
            }
        }
        let stream = try #require(link.client.connection.openStream())
        link.client.write([1, 2, 3], to: stream)
        #expect(link.run { link.server.received[0] == [1, 2, 3] })
    }

    @Test func keepAliveHoldsAQuietConnection() throws {
        let link = try QUICLink()
        #expect(link.establish())
        link.run(seconds: 200)
        #expect(link.client.closeReason == nil)
        #expect(link.server.closeReason == nil)
    }

    @Test func silenceEndsTheConnection() throws {
        let link = try QUICLink()
        #expect(link.establish())
        link.filter = { _, _ in false }
        let start = link.now
        #expect(link.run(seconds: 60) { link.client.closeReason != nil && link.server.closeReason != nil })
        #expect(link.client.closeReason == .idleTimeout)
        #expect(link.server.closeReason == .idleTimeout)
        #expect(link.client.connection.isFinished)
        #expect((19...27).contains((link.now - start) / 1_000_000_000))
    }

    @Test func anAbsentPeerIsNoticed() throws {
        let link = try QUICLink()
        link.filter = { toServer, _ in !toServer }
        #expect(link.run(seconds: 30) { link.client.closeReason != nil && link.server.closeReason != nil })
        #expect(link.client.closeReason == .handshakeTimeout)
        #expect(link.server.closeReason == .handshakeTimeout)
    }

    @Test(arguments: [true, false]) func closingTellsThePeer(isClient: Bool) throws {
        let link = try QUICLink()
        #expect(link.establish())
        let closer = isClient ? link.client : link.server
        let other = isClient ? link.server : link.client
        closer.connection.close(code: 42, reason: "enough", now: link.now)
        #expect(link.run(seconds: 5) { closer.connection.isFinished && other.connection.isFinished })
        #expect(closer.closeReason == .local(code: 42))
        #expect(other.closeReason == .peer(code: 42, reason: "enough"))
    }

    @Test func closingSurvivesTheLossOfAPacket() throws {
        let link = try QUICLink()
        #expect(link.establish())
        var lost = 0
        link.filter = { toServer, _ in
            guard toServer, lost < 2 else { return true }
            lost += 1
            return false
        }
        link.client.connection.close(code: 1, now: link.now)
        #expect(link.run(seconds: 5) { link.server.connection.isFinished })
        #expect(link.server.closeReason == .peer(code: 1, reason: ""))
    }

    /// Whoever need not know that the other has heard it says it once, and takes no time for it.
    @Test func closingNeedNotBeRepeated() throws {
        let link = try QUICLink()
        #expect(link.establish())
        var packetCount = 0
        link.filter = { toServer, _ in
            packetCount += toServer ? 1 : 0
            return true
        }
        let start = link.now
        link.client.connection.close(code: 0, repeats: false, now: link.now)
        #expect(link.run(seconds: 5) { link.client.connection.isFinished })
        #expect(link.now == start)
        #expect(link.run(seconds: 5) { link.server.connection.isFinished })
        #expect(link.server.closeReason == .peer(code: 0, reason: ""))
        #expect(packetCount == 1)
    }

    @Test func packetsGrowOnlyAsFarAsThePathAllows() throws {
        for (mtu, expected) in [(1500, 1444), (1450, 1406), (1280, 1232)] {
            let link = try QUICLink(QUICLink.Condition(mtu: mtu))
            #expect(link.establish())
            link.run(seconds: 20)
            let found = link.client.connection.statistics.payloadByteCount
            #expect(found + 28 <= mtu)
            #expect(found >= expected - 50)
        }
    }

    @Test func relayedPathsGrowOnlyToTheirLimit() throws {
        let link = try QUICLink(options: .relayed)
        #expect(link.establish())
        link.run(seconds: 20)
        let stream = try #require(link.client.connection.openStream())
        link.client.write(pattern(500_000), to: stream)
        #expect(link.run { stream.unacknowledgedByteCount == 0 })
        #expect(link.client.connection.statistics.payloadByteCount == 1342)
        #expect(link.largestPacket == 1342)
    }

    @Test func statisticsKnowThePath() throws {
        let link = try QUICLink(QUICLink.Condition(delay: 50_000_000, loss: 0.05))
        #expect(link.establish())
        let stream = try #require(link.client.connection.openStream())
        link.client.write(pattern(2_000_000), to: stream)
        #expect(link.run { stream.unacknowledgedByteCount == 0 })
        let statistics = link.client.connection.statistics
        let rtt = try #require(statistics.minimumRTT)
        #expect(rtt >= .milliseconds(100) && rtt < .milliseconds(150))
        #expect(statistics.lostPacketCount > 10)
        #expect(statistics.sentByteCount > 2_000_000)
    }
}
