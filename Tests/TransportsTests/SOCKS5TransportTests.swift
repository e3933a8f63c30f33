import ICE
import Jingle
import SecureChannels
import Synchronization
import TestSupport
import Testing
import XML
import XMPP

@testable import Transports

/// Two ends with real sockets on loopback, and a proxy between them.
@Suite struct SOCKS5TransportTests {
    typealias Side = SOCKS5Pair.Side

    private static let nowhere = Side(addresses: [])

    /// Which way the bytes go.
    enum Way: CaseIterable {
        case aliceListens, bobListens, bothListen, aliceProxy, bobProxy

        var isProxied: Bool { self == .aliceProxy || self == .bobProxy }
    }

    private func sides(_ way: Way, tls: Bool) async throws -> (Side, Side) {
        var (alice, bob) = (Side(), Side())
        switch way {
        case .aliceListens: bob = Self.nowhere
        case .bobListens: alice = Self.nowhere
        case .bothListen: break
        case .aliceProxy: (alice, bob) = (Side(addresses: [], proxies: [try await TestProxy()]), Self.nowhere)
        case .bobProxy:
            (alice, bob) = (
                Self.nowhere, Side(addresses: [], proxies: [try await TestProxy(name: "proxy.b.example")])
            )
        }
        return tls ? (SOCKS5Pair.tls(ChannelPair.alice, alice), SOCKS5Pair.tls(ChannelPair.bob, bob)) : (alice, bob)
    }

    @Test(arguments: Way.allCases, [true, false])
    func bytesArrive(way: Way, tls: Bool) async throws {
        let (alice, bob) = try await sides(way, tls: tls)
        // Either may offer the transport, in place of another, and either may send.
        for (fromAlice, isAliceOfferer) in [(true, true), (false, true), (true, false)] {
            let pair = try SOCKS5Pair(alice: alice, bob: bob, isAliceOfferer: isAliceOfferer)
            let bytes = numbered(3_000_001, salt: 1)
            let ends = try await pair.transfer(bytes, fromAlice: fromAlice, isAliceOfferer: isAliceOfferer)
            let (sender, receiver) = (try ends.sender.get(), try ends.receiver.get())
            #expect(receiver.bytes == bytes)
            for end in [sender, receiver] {
                #expect(end.path.kind == .socks5(isProxied: way.isProxied))
                #expect(end.path.isEndToEndEncrypted == tls)
                #expect(end.path.ipVersion == 4)
            }
            if tls {
                #expect(pair.alice.peerFingerprint == (try ChannelPair.bob.get().fingerprint))
                #expect(pair.bob.peerFingerprint == (try ChannelPair.alice.get().fingerprint))
            }
            pair.alice.close()
            pair.bob.close()
        }
    }

    /// Whatever is broken, the bytes arrive over what is not, and what is said is why.
    @Test(arguments: 0..<16)
    func anythingMayBeBroken(mask: Int) async throws {
        let (isAliceDirect, isBobDirect, isAliceProxy, isBobProxy) = (
            mask & 1 == 0, mask & 2 == 0, mask & 4 == 0, mask & 8 == 0
        )
        let aliceProxy = try await TestProxy(isAliceProxy ? .normal : .unreachable)
        let bobProxy = try await TestProxy(isBobProxy ? .normal : .unreachable, name: "proxy.b.example")
        let held = try HeldPort()
        defer { withExtendedLifetime(held) {} }
        let dead = held.port
        let pair = try SOCKS5Pair(
            alice: SOCKS5Pair.tls(ChannelPair.alice, Side(proxies: [aliceProxy])),
            bob: SOCKS5Pair.tls(ChannelPair.bob, Side(proxies: [bobProxy])))
        var changes = SOCKS5Pair.Changes()
        if !isAliceDirect { changes.offer = { $0.redirect(.direct, to: dead) } }
        if !isBobDirect { changes.answer = { $0.redirect(.direct, to: dead) } }
        let bytes = numbered(100_001, salt: 2)
        let ends = try await pair.transfer(bytes, changes)
        if mask == 15 {
            for result in [ends.sender, ends.receiver] {
                let error = #expect(throws: TransportFailure.self) { try result.get() }
                guard case .noPath(let reasons)? = error else { throw TestFailure() }
                for place in ["SOCKS5: 127.0.0.1:\(dead): ", "SOCKS5 proxy 127.0.0.1: "] {
                    #expect(reasons.contains(place + "cannot be reached"))
                }
                #expect(reasons.last == "SOCKS5: neither side can reach the other's addresses or proxies")
            }
        } else {
            #expect(try ends.receiver.get().bytes == bytes)
            let kind = PathReport.Kind.socks5(isProxied: !isAliceDirect && !isBobDirect)
            #expect(try ends.sender.get().path.kind == kind)
            #expect(try ends.receiver.get().path.kind == kind)
        }
        pair.alice.close()
        pair.bob.close()
    }

    // MARK: Proxies

    /// The peer reaches our proxy and we do not, or it does not do what it should.
    @Test(arguments: [TestProxy.Behaviour.silent, .refusing, .web, .notActivating, .unreachable], [true, false])
    func proxyThatFailsIsToldToThePeer(behaviour: TestProxy.Behaviour, isOwn: Bool) async throws {
        let reached = try await TestProxy()
        let own = try await TestProxy(behaviour)
        var side = Side(addresses: [], proxies: [own])
        if behaviour == .silent {
            side.limits.sockets.dial = .milliseconds(300)
            side.limits.sockets.answer = .milliseconds(200)
        }
        let pair = try SOCKS5Pair(alice: side, bob: Self.nowhere)
        var changes = SOCKS5Pair.Changes()
        let port = reached.port
        if behaviour != .notActivating { changes.offer = { $0.redirect(.proxy, to: port) } }
        let ends = try await pair.transfer([1], fromAlice: isOwn, changes)
        let (alice, bob) = isOwn ? (ends.sender, ends.receiver) : (ends.receiver, ends.sender)
        let why =
            switch behaviour {
            case .silent: "no answer"
            case .refusing: "refuses the connection"
            case .web: "does not speak SOCKS5"
            case .notActivating: "does not carry our bytes: not-allowed"
            case .unreachable, .normal, .answeringIPv4, .answeringIPv6: "cannot be reached"
            }
        #expect(throws: TransportFailure.noPath(["SOCKS5 proxy 127.0.0.1: \(why)"])) { try alice.get() }
        #expect(throws: TransportFailure.noPath(["SOCKS5 proxy 127.0.0.1: the other side could not use its own proxy"]))
        {
            try bob.get()
        }
        pair.alice.close()
        pair.bob.close()
    }

    /// A stream host need not answer with what was asked for.
    @Test(arguments: [TestProxy.Behaviour.answeringIPv4, .answeringIPv6])
    func replyOfAnotherTypeIsTaken(behaviour: TestProxy.Behaviour) async throws {
        let pair = try SOCKS5Pair(
            alice: Side(addresses: [], proxies: [try await TestProxy(behaviour)]), bob: Self.nowhere)
        let ends = try await pair.transfer([1, 2, 3])
        #expect(try ends.receiver.get().bytes == [1, 2, 3])
    }

    @Test func peersPlaceIsNotOfferedAgain() async throws {
        let proxy = try await TestProxy()
        let pair = try SOCKS5Pair(
            alice: Side(proxies: [proxy]), bob: Side(proxies: [proxy, try await TestProxy(name: "other.b.example")]))
        try pair.bob.receive(.socks5(try await pair.alice.socks5Description()))
        let answer = try await pair.bob.socks5Description()
        #expect(answer.candidates.map(\.kind) == [.direct, .proxy])
        #expect(answer.candidates.last?.jid.domain == "other.b.example")
        #expect(answer.mode == nil)
    }

    // MARK: What is offered

    @Test func offerHasWhatOthersExpect() async throws {
        let proxy = try await TestProxy()
        let pair = try SOCKS5Pair(alice: Side(addresses: ["127.0.0.1", "::1"], proxies: [proxy]))
        let offer = try await pair.alice.socks5Description()
        #expect(offer.candidates.map(\.host) == ["127.0.0.1", "::1", "127.0.0.1"])
        #expect(offer.candidates.map(\.kind) == [.direct, .direct, .proxy])
        #expect(
            offer.candidates.map(\.jid.description) == [
                "alice@a.example/one", "alice@a.example/one", "proxy.a.example",
            ])
        // § 2.2: 2^16 times the type's preference, and the rest below.
        #expect(offer.candidates.map { $0.priority >> 16 } == [126, 126, 10])
        #expect(offer.candidates.map(\.priority) == offer.candidates.map(\.priority).sorted(by: >))
        #expect(Set(offer.candidates.map(\.cid)).count == 3)
        #expect(
            offer.destinationAddress
                == SOCKS5Bytestream.destinationAddress(
                    sid: offer.sid, requester: try #require(JID("alice@a.example/one")),
                    target: try #require(JID("bob@b.example/two")), sha1: DigestAlgorithm.sha1.hash))
        #expect(offer.mode == .tcp && offer.fingerprint == nil)
        pair.alice.close()
    }

    /// Whoever hides its address offers proxies only, and connects to nothing that the peer names.
    @Test func hidingConnectsToNothing() async throws {
        let proxy = try await TestProxy()
        let pair = try SOCKS5Pair(
            alice: Side(proxies: [proxy], allowed: .hiding),
            bob: Side(proxies: [try await TestProxy(name: "proxy.b.example")]))
        let offer = try await pair.alice.socks5Description()
        #expect(offer.candidates.map(\.kind) == [.proxy])
        let ends = try await pair.transfer([1, 2, 3])
        #expect(try ends.receiver.get().path.kind == .socks5(isProxied: true))
        #expect(try ends.receiver.get().bytes == [1, 2, 3])
    }

    @Test func bothHidingWithoutProxiesFail() async throws {
        let side = Side(allowed: .hiding)
        let pair = try SOCKS5Pair(alice: side, bob: side)
        let ends = try await pair.transfer([1])
        let reasons = ["SOCKS5: neither side can reach the other's addresses or proxies"]
        #expect(throws: TransportFailure.noPath(reasons)) { try ends.sender.get() }
        #expect(throws: TransportFailure.noPath(reasons)) { try ends.receiver.get() }
    }

    /// Dino offers the addresses of its links with the names these have on its own host.
    @Test func addressWithAZoneIsPassedOver() async throws {
        let pair = try SOCKS5Pair(alice: Side(addresses: []), bob: Side(addresses: []))
        let zoned = SOCKS5Nomination.Candidate(
            cid: "zoned", host: "fe80::1%eth0", port: 1, jid: try #require(JID("alice@a.example/dino")),
            priority: 8_290_303,
            kind: .direct)
        let ends = try await pair.transfer([1], .init(offer: { $0.candidates.append(zoned) }))
        let reasons = ["SOCKS5: neither side can reach the other's addresses or proxies"]
        #expect(throws: TransportFailure.noPath(reasons)) { try ends.sender.get() }
        #expect(throws: TransportFailure.noPath(reasons)) { try ends.receiver.get() }
    }

    @Test func proxiesThatAreNotAllowedAreNotUsed() async throws {
        let pair = try SOCKS5Pair(
            alice: Side(addresses: [], proxies: [try await TestProxy()]),
            bob: Side(addresses: [], proxies: [try await TestProxy(name: "proxy.b.example")], allowed: [.socks5Direct]))
        let ends = try await pair.transfer([1])
        #expect(throws: TransportFailure.self) { try ends.sender.get() }
        #expect(throws: TransportFailure.self) { try ends.receiver.get() }
        #expect(pair.bob.sockets.connectionCount == 0)
    }

    // MARK: Hostile and odd peers

    @Test func anotherCertificateIsRefusedOnBothSides() async throws {
        let stranger = try DeviceCertificate.generate().fingerprint
        let pair = try SOCKS5Pair(alice: SOCKS5Pair.tls(ChannelPair.alice), bob: SOCKS5Pair.tls(ChannelPair.bob))
        let changes = SOCKS5Pair.Changes(answer: { answer in
            answer.fingerprint = FingerprintDescription(
                bytes: stranger.bytes, setup: answer.fingerprint?.setup ?? .passive)
        })
        let ends = try await pair.transfer([1], changes)
        #expect(throws: TransportFailure.peerNotAuthenticated) { try ends.sender.get() }
        #expect(throws: TransportFailure.peerNotAuthenticated) { try ends.receiver.get() }
    }

    @Test func answerWithoutFingerprintIsRefused() async throws {
        let pair = try SOCKS5Pair(alice: SOCKS5Pair.tls(ChannelPair.alice), bob: SOCKS5Pair.tls(ChannelPair.bob))
        await #expect(throws: TransportFailure.noFingerprint) {
            try await pair.describe(SOCKS5Pair.Changes(answer: { $0.fingerprint = nil }))
        }
    }

    /// An offer without a fingerprint is answered without one, though we could.
    @Test func offerWithoutFingerprintIsAnsweredWithoutOne() async throws {
        let pair = try SOCKS5Pair(bob: SOCKS5Pair.tls(ChannelPair.bob))
        let ends = try await pair.transfer([1, 2])
        #expect(try ends.receiver.get().bytes == [1, 2])
        #expect(try ends.receiver.get().path.isEndToEndEncrypted == false)
        #expect(pair.bob.peerFingerprint == nil)
    }

    @Test(
        arguments: [
            (SOCKS5TransportDescription.Info.candidateUsed(cid: "x"), "a candidate that was not offered"),
            (.activated(cid: "x"), nil), (.candidateError, nil), (.proxyError, nil),
        ] as [(SOCKS5TransportDescription.Info, String?)])
    func infoIsJudged(info: SOCKS5TransportDescription.Info, fault: String?) async throws {
        let pair = try SOCKS5Pair()
        try await pair.describe()
        let sid = try await pair.alice.socks5Description().sid
        let told = Result { try pair.alice.receive(.socks5(.init(sid: sid, info: info))) }
        if let fault {
            #expect(throws: TransportFailure.unusableDescription(fault)) { try told.get() }
        } else {
            try told.get()
        }
        #expect(throws: TransportFailure.unusableDescription("another bytestream")) {
            try pair.alice.receive(.socks5(.init(sid: "other", info: info)))
        }
    }

    @Test func descriptionsOfOtherTransportsAreRefused() async throws {
        let pair = try SOCKS5Pair()
        let offer = try await pair.alice.socks5Description()
        #expect(throws: TransportFailure.unusableDescription("a bytestream over UDP")) {
            try pair.bob.receive(.socks5(.init(sid: offer.sid, mode: .udp)))
        }
        #expect(throws: TransportFailure.unusableDescription("another transport")) {
            try pair.bob.receive(.inBand(.init(sid: "s", blockSize: 4096)))
        }
        await #expect(throws: TransportFailure.self) { try await pair.alice.connect() }
    }

    /// Libervia tells what it has reached before it accepts the session.
    @Test func selectionMayComeBeforeTheAnswer() async throws {
        let pair = try SOCKS5Pair(bob: Self.nowhere)
        let offer = try await pair.alice.socks5Description()
        try pair.bob.receive(.socks5(offer))
        let answer = try await pair.bob.socks5Description()
        try await pair.whileSignalling {
            async let accepted = pair.bob.acceptStream()
            // Bob's selection is on its way to alice, who has no answer yet.
            while await !pair.alice.hasHeardSelection { await Task.yield() }
            try pair.alice.receive(.socks5(answer))
            let connection = try await pair.alice.connect()
            let stream = try await connection.openStream(contentName: "file")
            try await stream.writeAll([1, 2, 3], pool: BlockPool())
            try await stream.finish()
            let received = try await accepted
            #expect(try await received.stream.readAll() == [1, 2, 3])
        }
    }

    /// The peer says that it has reached us, and has not.
    @Test func peerThatIsNotThereIsNoPath() async throws {
        let pair = try SOCKS5Pair(bob: Self.nowhere)
        try await pair.describe()
        let offer = try await pair.alice.socks5Description()
        try pair.alice.receive(
            .socks5(.init(sid: offer.sid, info: .candidateUsed(cid: try #require(offer.candidates.first?.cid)))))
        let error = await #expect(throws: TransportFailure.self) { try await pair.alice.connect() }
        guard case .noPath(let reasons)? = error else { throw TestFailure() }
        #expect(reasons.first?.hasSuffix("the connection is gone") == true)
    }

    /// A peer that never tells what it has reached, and one that never activates its proxy.
    @Test(arguments: [true, false])
    func silentPeerIsGivenUp(isProxy: Bool) async throws {
        var alice = Side()
        // Time for the proxy to be reached, which is then waited for.
        alice.limits.total = isProxy ? .seconds(2) : .milliseconds(300)
        let proxy = try await TestProxy(name: "proxy.b.example")
        let pair = try SOCKS5Pair(alice: alice, bob: isProxy ? Side(addresses: [], proxies: [proxy]) : Self.nowhere)
        try await pair.describe()
        let sid = try await pair.alice.socks5Description().sid
        if isProxy { try pair.alice.receive(.socks5(.init(sid: sid, info: .candidateError))) }
        let why =
            isProxy
            ? "SOCKS5 proxy 127.0.0.1: the other side could not use its own proxy"
            : "SOCKS5: the other side did not tell in time what it can reach"
        await #expect(throws: TransportFailure.noPath([why])) { try await pair.alice.connect() }
        var told: [SOCKS5TransportDescription.Info?] = []
        pair.alice.close()
        while case .socks5(let info)? = await pair.alice.nextTransportInfo() { told.append(info.info) }
        #expect(told.last == (isProxy ? .proxyError : .candidateError))
    }

    @Test(arguments: [
        "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "169.254.1.1", "fe80::1", "255.255.255.255",
        "::ffff:127.0.0.1", "192.0.2.7",
    ])
    func whatIsNotAnotherHostIsNotDialled(host: String) async throws {
        let sockets = SOCKS5Sockets(ownAddresses: [ICEAddress(ip: "192.0.2.7", port: 0)].compactMap(\.self))
        #expect(!sockets.mayDial(host))
    }

    /// Names, and other ways to write an address, are looked up before anything is connected.
    @Test(arguments: ["localhost", "127.1", "2130706433", "0x7f000001", "0"])
    func nameOfThisHostIsLeftAlone(host: String) async throws {
        let proxy = try await TestProxy()
        let sockets = SOCKS5Sockets(ownAddresses: [], limits: .init(dial: .seconds(600)))
        await #expect(throws: SOCKS5DialError.notAnotherHost) {
            try await sockets.dial(host: host, port: proxy.port, destination: "x")
        }
        #expect(sockets.connectionCount == 0)
        // Connections are accepted in their order.
        let control = try await sockets.dial(
            host: "127.0.0.1", port: proxy.port, destination: String(repeating: "x", count: 40), isTrusted: true)
        #expect(proxy.acceptedCount == 1)
        withExtendedLifetime(control) {}
        sockets.close()
    }

    // MARK: The end

    @Test func closedTransportLeavesNothing() async throws {
        weak var leaked: SOCKS5Sockets?
        do {
            let pair = try SOCKS5Pair()
            leaked = pair.alice.sockets
            let ends = try await pair.transfer([1])
            #expect(try ends.receiver.get().bytes == [1])
            // Nobody can connect any more, though the connection goes on.
            try await pair.alice.sockets.waitUntilClosed()
            pair.alice.close()
            pair.bob.close()
            #expect(await pair.alice.nextTransportInfo() == nil)
            while pair.alice.sockets.connectionCount > 0 || pair.bob.sockets.connectionCount > 0 { await Task.yield() }
            await #expect(throws: TransportFailure.self) { try await pair.alice.connect() }
        }
        while leaked != nil { await Task.yield() }
    }

    @Test func closingEndsTheSearch() async throws {
        let pair = try SOCKS5Pair(bob: Self.nowhere)
        try await pair.describe()
        async let connection = Result.of { try await pair.alice.connect() }
        // What it has to tell, it tells while it searches.
        _ = await pair.alice.nextTransportInfo()
        pair.alice.close()
        let result = await connection
        #expect(throws: TransportFailure.unavailable("SOCKS5 was closed")) { try result.get() }
        try await pair.alice.sockets.waitUntilClosed()
    }

    @Test func cancellingEndsTheSearch() async throws {
        let proxy = try await TestProxy(.silent, name: "proxy.b.example")
        let pair = try SOCKS5Pair(bob: Side(addresses: [], proxies: [proxy]))
        try await pair.describe()
        let search = Task { try await pair.alice.connect() }
        while pair.alice.sockets.connectionCount == 0 { await Task.yield() }
        search.cancel()
        await #expect(throws: CancellationError.self) { try await search.value }
        while pair.alice.sockets.connectionCount > 0 { await Task.yield() }
    }

    // MARK: In a session

    @Test func worksInASession() async throws {
        let channels = try LinkedChannel.pair()
        let (alice, bob) = (JingleHost(channel: channels.0), JingleHost(channel: channels.1))
        await alice.start()
        await bob.start()
        let pair = try SOCKS5Pair(alice: SOCKS5Pair.tls(ChannelPair.alice), bob: SOCKS5Pair.tls(ChannelPair.bob))
        var content = Content(
            .file, senders: .initiator, description: .fileTransfer(FileDescription(name: "a.txt", size: 3)),
            transport: await pair.alice.localDescription())
        let session = try await alice.initiate([content], sid: "s", to: bob.address)
        let offer = try #require(await bob.offers.first { _ in true })
        try pair.bob.receive(try #require(offer.contents.first?.transport))
        content.transport = await pair.bob.localDescription()
        try await offer.session.accept([content])
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            let accepted = AsyncStream.makeStream(of: Void.self)
            for (session, transport) in [(session, pair.alice), (offer.session, pair.bob)] {
                group.addTask {
                    for await event in session.events {
                        switch event {
                        case .accepted(let contents):
                            try transport.receive(try #require(contents.first?.transport))
                            accepted.continuation.finish()
                        case .transportInfo(_, let info): try transport.receive(info)
                        default: break
                        }
                    }
                }
                group.addTask {
                    while let info = await transport.nextTransportInfo() {
                        try await session.sendTransportInfo(.file, info)
                    }
                }
            }
            async let received = Result.of { try await pair.bob.acceptStream().stream.readAll() }
            for await _ in accepted.stream {}
            let stream = try await pair.alice.connect().openStream(contentName: "file")
            try await stream.writeAll([1, 2, 3], pool: BlockPool())
            try await stream.finish()
            let result = await received
            #expect(try result.get() == [1, 2, 3])
        }
        await alice.stop()
        await bob.stop()
    }
}

extension SOCKS5Transport {
    fileprivate var hasHeardSelection: Bool {
        get async { state.withLock { $0.nomination?.hasHeardSelection ?? false } }
    }
}

extension SOCKS5TransportDescription {
    /// Sends those who dial candidates of a kind elsewhere.
    fileprivate mutating func redirect(_ kind: Candidate.Kind, to port: UInt16) {
        for index in candidates.indices where candidates[index].kind == kind { candidates[index].port = port }
    }
}
