import Jingle
import SecureChannels
import Synchronization
import Testing
import XML
import XMPP

@testable import Transports

/// Two ends over a link in memory; the first is the session's initiator.
@Suite struct InBandTransportTests {
    let pool = BlockPool(blockByteCount: 10_000, keep: 4)

    // MARK: Negotiation

    @Test func theSmallerBlockSizeCounts() async throws {
        let pair = try await InBandPair(blockSizes: (8192, 4096))
        let (offer, answer) = try await pair.negotiate()
        #expect(offer.blockSize == 8192 && answer.blockSize == 4096)
        #expect(offer.sid == answer.sid && offer.stanza == .iq)
        let (stream, received) = try await pair.streams()
        try await send(numbered(100_000, salt: 1), on: stream)
        #expect(try await received.readAll() == numbered(100_000, salt: 1))
        #expect(pair.sent(.first).first == .open(sid: offer.sid, blockSize: 4096))
        let sizes = pair.sent(.first).compactMap(\.byteCount)
        #expect(sizes.max() == 4096)
        await pair.stop()
    }

    @Test func stanzasKeepToTheServersLimit() async throws {
        let pair = try await InBandPair(stanzaByteCount: 10_000)
        let (offer, _) = try await pair.negotiate()
        #expect(offer.blockSize == 6732)
        await pair.stop()
    }

    @Test func blocksInMessagesAreNotAccepted() throws {
        let ends = try LinkedChannel.pair()
        let transport = InBandTransport(
            sessionRole: .responder, isOfferer: false, peer: ends.1.address, host: InBandHost(channel: ends.0),
            contentName: "f", certificate: nil)
        #expect(throws: TransportFailure.unusableDescription("blocks in message stanzas")) {
            try transport.receive(.inBand(InBandTransportDescription(sid: "a", blockSize: 1, stanza: .message)))
        }
    }

    @Test func anAnswerNamesTheSameBytestream() async throws {
        let pair = try await InBandPair()
        _ = await pair.first.localDescription()
        #expect(throws: TransportFailure.unusableDescription("another bytestream's answer")) {
            try pair.first.receive(.inBand(InBandTransportDescription(sid: "other", blockSize: 4096)))
        }
        await #expect(throws: TransportFailure.unusableDescription("no answer")) { try await pair.first.connect() }
        await pair.stop()
    }

    @Test func answerWithoutFingerprintIsRefused() async throws {
        let pair = try await InBandPair(certificates: (true, false))
        await #expect(throws: TransportFailure.noFingerprint) { try await pair.negotiate() }
        await pair.stop()
    }

    /// TLS runs only where both sides want it; an offer without a fingerprint has an answer without one.
    @Test(arguments: [(true, true), (false, true), (false, false)])
    func fingerprints(isFirst: Bool, isSecond: Bool) async throws {
        let pair = try await InBandPair(certificates: (isFirst, isSecond))
        let (offer, answer) = try await pair.negotiate()
        #expect((offer.fingerprint != nil) == isFirst)
        #expect((answer.fingerprint != nil) == (isFirst && isSecond))
        #expect(offer.fingerprint?.setup != .passive && answer.fingerprint?.setup != .active)
        let (stream, received) = try await pair.streams(name: "f")
        try await send([1, 2, 3], on: stream)
        #expect(try await received.readAll() == [1, 2, 3])
        #expect((pair.first.peerFingerprint != nil) == (isFirst && isSecond))
        await pair.stop()
    }

    // MARK: Bytes

    /// Whoever has the data, and whoever made the offer: the session's initiator opens the bytestream.
    @Test(arguments: [true, false], [true, false])
    func carriesAMebibyteExactly(isTLS: Bool, isFromInitiator: Bool) async throws {
        let pair = try await InBandPair(certificates: (isTLS, isTLS), initiatorOffers: isFromInitiator)
        try await pair.negotiate()
        let (stream, received) = try await pair.streams(fromSecond: !isFromInitiator)
        let content = numbered(1 << 20, salt: 5)
        async let bytes = received.readAll()
        try await send(content, on: stream)
        #expect(stream.unacknowledgedByteCount == 0)
        #expect(try await bytes == content)
        #expect(pair.sent(.second).allSatisfy { if case .open = $0 { false } else { true } })
        await pair.stop()
    }

    @Test func thePathIsNamed() async throws {
        for isTLS in [true, false] {
            let pair = try await InBandPair(certificates: (isTLS, isTLS))
            try await pair.negotiate()
            async let accepted = pair.second.acceptStream()
            let connection = try await pair.first.connect()
            let stream = try await connection.openStream(contentName: "f")
            try await send([1], on: stream)
            #expect(connection.path.kind == .inBand && connection.path.description == "in-band")
            #expect(connection.path.isEndToEndEncrypted == isTLS)
            #expect(connection.path.roundTripTime != nil)
            #expect(connection.path.localAddress == nil && connection.path.ipVersion == nil)
            #expect(try await accepted.contentName == (isTLS ? "f" : "content"))
            await pair.stop()
        }
    }

    @Test func whatIsSentIsEncrypted() async throws {
        let secret = Array("a secret that nobody on the way may read".utf8)
        for isTLS in [true, false] {
            let pair = try await InBandPair(certificates: (isTLS, isTLS))
            try await pair.negotiate()
            let (stream, received) = try await pair.streams()
            try await send(secret, on: stream)
            #expect(try await received.readAll() == secret)
            let sent = pair.sent(.first).flatMap(\.bytes)
            #expect(sent.contains(secret) != isTLS)
            await pair.stop()
        }
    }

    @Test func carriesBothWaysAtOnce() async throws {
        let pair = try await InBandPair(certificates: (true, true))
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        let (up, down) = (numbered(300_001, salt: 2), numbered(200_003, salt: 3))
        async let receivedUp = answer.readAll()
        async let receivedDown = stream.readAll()
        async let sentDown: Void = send(down, on: answer)
        try await send(up, on: stream)
        try await sentDown
        #expect(try await receivedUp == up)
        #expect(try await receivedDown == down)
        // Both directions have ended, so the bytestream is closed.
        await pair.waitForClose()
        await pair.stop()
    }

    @Test func oneDirectionEndsAloneInTLS() async throws {
        let pair = try await InBandPair(certificates: (true, true))
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        try await send([1, 2, 3], on: stream)
        #expect(try await answer.readAll() == [1, 2, 3])
        for round in UInt8(0)..<20 {
            try await answer.writeAll([round], pool: pool)
            #expect(try await stream.read().map { Array($0.bytes) } == [round])
        }
        try await answer.finish()
        #expect(try await stream.read() == nil)
        await pair.stop()
    }

    /// Without TLS `<close/>` is the end of both directions.
    @Test func closingEndsBothDirectionsWithoutTLS() async throws {
        let pair = try await InBandPair()
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        try await send([1, 2, 3], on: stream)
        #expect(try await answer.readAll() == [1, 2, 3])
        #expect(try await stream.read() == nil)
        await #expect(throws: ByteStreamError.self) {
            while true { try await answer.writeAll([1], pool: pool) }
        }
        await pair.stop()
    }

    @Test(arguments: [true, false])
    func theReceiverClosesWhenItIsDone(isTLS: Bool) async throws {
        let pair = try await InBandPair(certificates: (isTLS, isTLS))
        try await pair.negotiate()
        async let accepted = pair.second.acceptStream()
        let connection = try await pair.first.connect()
        let stream = try await connection.openStream(contentName: "f")
        try await send([1, 2, 3], on: stream)
        let receiving = try await accepted
        #expect(try await receiving.stream.readAll() == [1, 2, 3])
        await receiving.connection.close()
        try await connection.waitUntilClosed()
        await connection.close()
        await pair.stop()
    }

    @Test(arguments: [true, false])
    func closingInTheMiddleIsNoEndOfFile(isTLS: Bool) async throws {
        let pair = try await InBandPair(certificates: (isTLS, isTLS))
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        try await stream.writeAll([1], pool: pool)
        #expect(try await answer.read()?.count == 1)
        stream.reset(code: 1)
        if isTLS {
            await #expect(throws: ByteStreamError.self) { try await answer.read() }
        } else {
            // There is nothing that tells it from one; the size does.
            #expect(try await answer.read() == nil)
        }
        await #expect(throws: ByteStreamError.self) { try await stream.finish() }
        await #expect(throws: ByteStreamError.self) { try await stream.read() }
        await pair.stop()
    }

    // MARK: Bounds

    /// A reader that does not read holds the writer back; what was written arrives all the same.
    @Test(arguments: [true, false])
    func slowReaderHoldsTheWriterBack(isTLS: Bool) async throws {
        let pair = try await InBandPair(certificates: (isTLS, isTLS))
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        let content = numbered(1 << 20, salt: 4)
        async let sent: Void = send(content, on: stream)
        let first = try #require(try await answer.read())
        // Until nothing moves any more, as far as that can be seen: no block is answered, and none is sent.
        var before = -1
        while case let count = pair.sent(.first).count, count != before {
            before = count
            for _ in 0..<5000 { await Task.yield() }
        }
        let sentByteCount = pair.sent(.first).reduce(0) { $0 + ($1.byteCount ?? 0) }
        #expect(sentByteCount <= InBandLink.unreadLimit + InBandWindow.maximumByteCount + 200_000)
        #expect(stream.unacknowledgedByteCount <= InBandWindow.maximumByteCount + 30_000)
        let rest = try await answer.readAll()
        try await sent
        #expect(Array(first.bytes) + rest == content)
        await pair.stop()
    }

    /// Whoever sends on without an acknowledgement is cut off; the peer's reader gets what came before.
    @Test func aPeerThatDoesNotWaitIsCutOff() async throws {
        let peer = try await InBandPeer()
        try await peer.opened()
        let (_, stream) = try await peer.connect()
        var refused: StanzaError?
        var answers: [PendingAnswer] = []
        var sequence: UInt16 = 0
        for _ in 0..<400 {
            answers.append(
                try await peer.begin(
                    .data(sid: peer.sid, sequence: sequence, bytes: [UInt8](repeating: 1, count: 4096))))
            sequence &+= 1
        }
        for answer in answers where refused == nil {
            do { _ = try await answer.payload } catch let error as StanzaError { refused = error }
        }
        #expect([.resourceConstraint, .itemNotFound].contains(refused?.condition))
        var byteCount = 0
        await #expect(throws: ByteStreamError.closed("the peer sends faster than it may")) {
            while let block = try await stream.read() { byteCount += block.count }
        }
        #expect(byteCount <= InBandLink.unreadLimit + InBandLink.excessLimit + 4096)
        await peer.stop()
    }

    // MARK: Other clients

    /// Libervia's way, from the capture: one block at a time, then `<close/>`.
    @Test func aPeerThatSendsOneBlockAtATime() async throws {
        let peer = try await InBandPeer()
        try await peer.opened()
        let (_, stream) = try await peer.connect()
        let content = numbered(40_000, salt: 6)
        async let received = stream.readAll()
        for (index, start) in stride(from: 0, to: content.count, by: 4096).enumerated() {
            let bytes = Array(content[start..<min(start + 4096, content.count)])
            try await peer.request(.data(sid: peer.sid, sequence: UInt16(index), bytes: bytes))
        }
        try await peer.request(.close(sid: peer.sid))
        #expect(try await received == content)
        await #expect(throws: InBandBytestream.unknown) { try await peer.request(.close(sid: peer.sid)) }
        await peer.stop()
    }

    @Test func aPeerThatOpensThoughItIsNotTheInitiator() async throws {
        let peer = try await InBandPeer(isInitiator: false)
        try await peer.opened()
        let stream = try await peer.transport.connect().openStream(contentName: "f")
        #expect(peer.own.sentPayloads.isEmpty)
        async let received = stream.readAll()
        try await peer.request(.data(sid: peer.sid, sequence: 0, bytes: [7]))
        try await peer.request(.close(sid: peer.sid))
        #expect(try await received == [7])
        await peer.stop()
    }

    /// Both open it at the same time, and the peer refuses ours for that.
    @Test func bothSidesOpenAtOnce() async throws {
        let peer = try await InBandPeer(isInitiator: false)
        var requests = peer.requests().makeAsyncIterator()
        async let connection = peer.transport.connect()
        let iq = try #require(await requests.next())
        try await peer.opened()
        try await peer.channel.send(iq.refusal(InBandBytestream.unwanted).element)
        _ = try await connection
        await peer.stop()
    }

    @Test func blocksThatComeBeforeAnybodyAsks() async throws {
        let peer = try await InBandPeer()
        try await peer.opened()
        for sequence in UInt16(0)..<10 {
            try await peer.request(.data(sid: peer.sid, sequence: sequence, bytes: [UInt8(sequence)]))
        }
        let (name, stream) = try await peer.connect()
        #expect(name == "content")
        try await peer.request(.close(sid: peer.sid))
        #expect(try await stream.readAll() == Array(0..<10))
        await peer.stop()
    }

    static let broken: [([InBandBytestream], StanzaError)] = [
        ([.data(sid: "s", sequence: 1, bytes: [1])], InBandBytestream.outOfSequence),
        (
            [.data(sid: "s", sequence: 0, bytes: [1]), .data(sid: "s", sequence: 0, bytes: [1])],
            InBandBytestream.outOfSequence
        ),
        (
            [.data(sid: "s", sequence: 0, bytes: [1]), .data(sid: "s", sequence: 2, bytes: [1])],
            InBandBytestream.outOfSequence
        ),
        ([.data(sid: "s", sequence: 0, bytes: [UInt8](repeating: 1, count: 4097))], InBandBytestream.malformed),
    ]

    @Test(arguments: broken)
    func aBlockThatDoesNotFollowEndsTheBytestream(requests: [InBandBytestream], error: StanzaError) async throws {
        let peer = try await InBandPeer(sid: "s")
        try await peer.opened()
        let (_, stream) = try await peer.connect()
        for request in requests.dropLast() { try await peer.request(request) }
        let last = try #require(requests.last)
        await #expect(throws: error) { try await peer.request(last) }
        await #expect(throws: ByteStreamError.closed("the peer sent a block that does not follow")) {
            while try await stream.read() != nil {}
        }
        await #expect(throws: InBandBytestream.unknown) { try await peer.request(last) }
        #expect(await peer.received(.close(sid: "s")))
        await peer.stop()
    }

    @Test func whatIsNoBase64EndsTheBytestream() async throws {
        let peer = try await InBandPeer()
        try await peer.opened()
        let (_, stream) = try await peer.connect()
        let element = XMLElement(
            "data", namespace: InBandBytestream.namespace, attributes: ["sid": peer.sid, "seq": "0"], text: "aGVs bG8=")
        await #expect(throws: InBandBytestream.malformed) { try await peer.channel.request(element) }
        await #expect(throws: ByteStreamError.self) { try await stream.read() }
        await peer.stop()
    }

    static let strange: [(InBandBytestream, StanzaError)] = [
        (.open(sid: "other", blockSize: 4096), InBandBytestream.unwanted),
        (.open(sid: "s", blockSize: 4097), InBandBytestream.tooLarge),
        (.open(sid: "s", blockSize: 4096, stanza: .message), InBandBytestream.unwanted),
        (.data(sid: "other", sequence: 0, bytes: [1]), InBandBytestream.unknown),
        (.close(sid: "other"), InBandBytestream.unknown),
    ]

    @Test(arguments: strange)
    func whatIsNotNegotiatedIsRefused(request: InBandBytestream, error: StanzaError) async throws {
        let peer = try await InBandPeer(sid: "s")
        await #expect(throws: error) { try await peer.request(request) }
        // It does no harm.
        try await peer.opened()
        _ = try await peer.connect()
        await peer.stop()
    }

    /// The name of a bytestream is worth nothing to somebody else.
    @Test func strangersAreRefused() async throws {
        let peer = try await InBandPeer(sid: "s", declaredPeer: JID("mallory@c.example/three"))
        await #expect(throws: InBandBytestream.unwanted) { try await peer.opened() }
        await #expect(throws: InBandBytestream.unknown) {
            try await peer.request(.data(sid: "s", sequence: 0, bytes: [1]))
        }
        await peer.stop()
    }

    // MARK: Failures

    /// § 2.1: a smaller block size is tried, down to 1024 bytes.
    @Test func smallerBlocksAreTried() async throws {
        let peer = try await InBandPeer(isInitiator: false, blockSize: 8192)
        let requests = peer.requests()
        async let connection = peer.transport.connect()
        var sizes: [UInt16] = []
        for await iq in requests {
            guard case .open(_, let size, _) = try InBandBytestream(try #require(iq.request)) else { continue }
            sizes.append(size)
            let isSmall = size <= 2048
            try await peer.channel.send((isSmall ? iq.result() : iq.refusal(InBandBytestream.tooLarge)).element)
            if isSmall { break }
        }
        #expect(sizes == [8192, 4096, 2048])
        _ = try await connection
        await peer.stop()
    }

    @Test(arguments: [StanzaError(.notAcceptable, kind: .cancel), StanzaError(.resourceConstraint, kind: .modify)])
    func aRefusalIsTheEnd(error: StanzaError) async throws {
        let peer = try await InBandPeer(isInitiator: false, blockSize: 8192)
        let requests = peer.requests()
        let refusing = Task {
            for await iq in requests { try await peer.channel.send(iq.refusal(error).element) }
        }
        defer { refusing.cancel() }
        let reason = "in-band: the peer refuses the bytestream: \(error.condition.rawValue)"
        await #expect(throws: TransportFailure.noPath([reason])) { _ = try await peer.transport.connect() }
        await peer.stop()
    }

    @Test func aPeerThatOpensNothingIsGivenUp() async throws {
        let peer = try await InBandPeer(limits: .init(opening: .milliseconds(10)))
        await #expect(throws: TransportFailure.noPath(["in-band: the peer did not open the bytestream"])) {
            _ = try await peer.transport.acceptStream()
        }
        peer.transport.close()
        await peer.stop()
    }

    @Test(arguments: [true, false])
    func anotherCertificateIsRefused(isFirstForged: Bool) async throws {
        let pair = try await InBandPair(certificates: (true, true))
        try await pair.negotiate(forging: isFirstForged ? .first : .second)
        let accepting = Task { try await pair.second.acceptStream() }
        // Under TLS 1.3 a client is done before the server looks at its certificate: it learns the refusal then.
        do {
            let connection = try await pair.first.connect()
            await #expect(throws: (any Error).self) { try await connection.acceptStream() }
            #expect(isFirstForged)
        } catch {
            #expect(error as? TransportFailure == .peerNotAuthenticated)
        }
        await #expect(throws: TransportFailure.peerNotAuthenticated) { _ = try await accepting.value }
        await pair.stop()
    }

    @Test func theEndOfTheStreamIsTheEndOfThePath() async throws {
        let pair = try await InBandPair(certificates: (true, true))
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        try await stream.writeAll([1], pool: pool)
        #expect(try await answer.read()?.count == 1)
        pair.ends.0.cut()
        let lost = ByteStreamError.pathLost("the connection to the XMPP server was lost")
        await #expect(throws: lost) { try await stream.read() }
        await #expect(throws: lost) { while true { try await stream.writeAll([1], pool: pool) } }
        await pair.stop()
    }

    @Test func aPeerThatAcknowledgesNothingIsLost() async throws {
        let pair = try await InBandPair()
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        pair.ends.1.fallSilent()
        try await stream.writeAll([1], pool: pool)
        await #expect(throws: ByteStreamError.pathLost("nothing was heard from the peer")) { try await stream.finish() }
        answer.reset(code: 1)
        await pair.stop()
    }

    /// Nothing is under way, so nothing but a question finds out.
    @Test(arguments: [false, true])
    func aPeerThatHasGoneIsLost(isSleigh: Bool) async throws {
        let pair = try await InBandPair(
            certificates: (isSleigh, isSleigh), limits: .init(silence: .milliseconds(20)))
        try await answeringPings(of: pair) { presence in
            try await pair.negotiate()
            let (stream, answer) = try await pair.streams()
            while pair.pingCount(.second) < 3 { await Task.yield() }
            presence.isGone.withLock { $0.first = true }
            await #expect(throws: ByteStreamError.pathLost("the peer is not there any more")) {
                try await answer.read()
            }
            stream.reset(code: 1)
        }
        await pair.stop()
    }

    /// A sleigh whose reader pauses keeps acknowledgements back: that is no reason to give up, but its death is.
    @Test(arguments: [true, false])
    func aReaderMayPauseAsLongAsItIsThere(isThere: Bool) async throws {
        let pair = try await InBandPair(certificates: (true, true), limits: .init(shortSilence: .milliseconds(20)))
        let bytes = numbered(2_000_000, salt: 3)
        try await answeringPings(of: pair) { presence in
            try await pair.negotiate()
            let (stream, answer) = try await pair.streams()
            let sending = Task {
                try await stream.writeAll(bytes, pool: BlockPool())
                try await stream.finish()
            }
            while pair.pingCount(.first) < 3 { await Task.yield() }
            if isThere {
                #expect(try await answer.readAll() == bytes)
                try await sending.value
            } else {
                presence.isGone.withLock { $0.second = true }
                await #expect(throws: ByteStreamError.pathLost("the peer is not there any more")) {
                    try await sending.value
                }
                answer.reset(code: 1)
            }
        }
        await pair.stop()
    }

    /// Answers as the clients do, or their servers for those who are not there.
    private func answeringPings(
        of pair: InBandPair, _ body: (Presence) async throws -> Void
    ) async throws {
        let presence = Presence()
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            for end in [pair.ends.0, pair.ends.1] {
                let pings = end.requests(inNamespace: Ping.namespace)
                group.addTask {
                    for await ping in pings {
                        let refusal = ping.refusal(StanzaError(.serviceUnavailable, kind: .cancel))
                        let isGone = presence.isGone.withLock { end === pair.ends.0 ? $0.first : $0.second }
                        try await end.send((isGone ? refusal : ping.result()).element)
                    }
                }
            }
            try await body(presence)
        }
    }

    /// Whether the server still knows somebody.
    private final class Presence: Sendable {
        let isGone = Mutex((first: false, second: false))
    }

    @Test func stoppingTellsThePeer() async throws {
        let pair = try await InBandPair(certificates: (true, true))
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        await pair.hosts.0.stop()
        await #expect(throws: ByteStreamError.self) { try await answer.read() }
        await #expect(throws: ByteStreamError.self) { try await stream.read() }
        await pair.hosts.1.stop()
    }

    @Test func cancelledWaitsLeaveNothing() async throws {
        let peer = try await InBandPeer(sid: "s")
        let waiting = Task { try await peer.transport.acceptStream() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { _ = try await waiting.value }
        peer.transport.close()
        while (try? await peer.opened()) != nil { await Task.yield() }
        await peer.stop()
    }

    @Test func cancelledReadLeavesTheStreamUsable() async throws {
        let pair = try await InBandPair(certificates: (true, true))
        try await pair.negotiate()
        let (stream, answer) = try await pair.streams()
        let reading = Task { try await answer.read() }
        reading.cancel()
        await #expect(throws: CancellationError.self) { _ = try await reading.value }
        try await send([7], on: stream)
        #expect(try await answer.readAll() == [7])
        await pair.stop()
    }

    private func send(_ bytes: [UInt8], on stream: any ByteStream) async throws {
        try await stream.writeAll(bytes, pool: pool)
        try await stream.finish()
    }
}

extension InBandBytestream {
    fileprivate var bytes: [UInt8] { if case .data(_, _, let bytes) = self { bytes } else { [] } }
    fileprivate var byteCount: Int? { if case .data(_, _, let bytes) = self { bytes.count } else { nil } }
}
