import Jingle
import Testing
import Transports
import XML
import XMPP

/// Two hosts over a link in memory.
@Suite struct JingleHostTests {
    let ends: (LinkedChannel, LinkedChannel)
    let alice: JingleHost
    let bob: JingleHost

    init() async throws {
        ends = try LinkedChannel.pair()
        alice = JingleHost(channel: ends.0)
        bob = JingleHost(channel: ends.1)
        await alice.start()
        await bob.start()
    }

    private func offer() async throws -> (JingleSessionHandle, JingleHost.Offer) {
        let session = try await alice.initiate([.test], sid: "s", to: bob.address)
        return (session, try #require(await bob.offers.first { _ in true }))
    }

    private func stop() async {
        await alice.stop()
        await bob.stop()
    }

    @Test func anOfferArrivesAndIsAccepted() async throws {
        let (session, offer) = try await offer()
        #expect(offer.session.peer == alice.address)
        #expect(offer.contents.map(\.id) == [.file])
        try await offer.session.accept([.test])
        #expect(await session.events.first { _ in true } == .accepted([.test]))
        await stop()
    }

    @Test func transportInfosArriveInOrder() async throws {
        let (session, offer) = try await offer()
        try await offer.session.accept([.test])
        for port in UInt16(1)...20 {
            var transport = ICEQUICTransportDescription(ice: ICEUDPTransportDescription(credentials: nil))
            transport.direct = .init(port: port, addresses: ["192.0.2.1"])
            try await session.sendTransportInfo(.file, .iceQUIC(transport))
        }
        var ports: [UInt16] = []
        for await case .transportInfo(_, .iceQUIC(let transport)) in offer.session.events {
            ports.append(try #require(transport.direct?.port))
            if ports.count == 20 { break }
        }
        #expect(ports == Array(1...20))
        await stop()
    }

    @Test(arguments: [true, false])
    func eitherSideTerminates(isInitiator: Bool) async throws {
        let (session, offer) = try await offer()
        let (own, other) = isInitiator ? (session, offer.session) : (offer.session, session)
        await own.terminate(Reason(.decline, text: "no"))
        #expect(await allEvents(own) == [.ended(.local(Reason(.decline, text: "no")))])
        #expect(await allEvents(other) == [.ended(.peer(Reason(.decline, text: "no")))])
        await other.waitUntilEnded()
        await #expect(throws: JingleCommandError.outOfOrder) { try await own.sendInfo(.received(.init())) }
        await own.terminate(Reason(.success))
        await stop()
        #expect((ends.0.sentPayloads + ends.1.sentPayloads).count { $0["action"] == "session-terminate" } == 1)
    }

    @Test func aSessionIsLeftWithAWord() async throws {
        let (session, offer) = try await offer()
        await session.leave(Reason(.success))
        #expect(await allEvents(session) == [.ended(.local(Reason(.success)))])
        #expect(await allEvents(offer.session) == [.ended(.peer(Reason(.success)))])
        await stop()
    }

    @Test func aCancelledTaskStillTerminates() async throws {
        let (session, offer) = try await offer()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            await session.terminate(Reason(.cancel))
        }
        await task.value
        #expect(await allEvents(offer.session) == [.ended(.peer(Reason(.cancel)))])
        await stop()
    }

    @Test func stoppingEndsEverySession() async throws {
        let (session, offer) = try await offer()
        await alice.stop()
        #expect(await allEvents(session) == [.ended(.local(Reason(.gone)))])
        #expect(await allEvents(offer.session) == [.ended(.peer(Reason(.gone)))])
        await bob.stop()
    }

    @Test func aPeerThatNeverAnswersEndsTheSession() async throws {
        ends.1.fallSilent()
        let session = try await alice.initiate([.test], sid: "s", to: bob.address)
        #expect(await allEvents(session) == [.ended(.failed(.sessionInitiate, .unanswered))])
        await stop()
    }

    /// The bytes may go on, so this is no end of the session; but nothing more will be heard of it.
    @Test func theEndOfTheStreamEndsTheEvents() async throws {
        let (session, offer) = try await offer()
        try await offer.session.accept([.test])
        #expect(await session.events.first { _ in true } == .accepted([.test]))
        ends.0.cut()
        #expect(await allEvents(session) == [])
        await session.waitUntilEnded()
        #expect(await alice.offers.first { _ in true } == nil)
        await stop()
    }

    @Test func whoWantsNoOffersDeclinesThem() async throws {
        let ends = try LinkedChannel.pair()
        let alice = JingleHost(channel: ends.0)
        let bob = JingleHost(channel: ends.1, takesOffers: false)
        await alice.start()
        await bob.start()
        let session = try await alice.initiate([.test], sid: "s", to: bob.address)
        #expect(await allEvents(session) == [.ended(.peer(Reason(.busy)))])
        await alice.stop()
        await bob.stop()
    }

    /// A peer that signals without end while nobody reads is cut off.
    @Test func aFloodEndsTheSession() async throws {
        let (session, offer) = try await offer()
        try await offer.session.accept([.test])
        let info = JingleStanza(.transportInfo, sid: "s", contents: [Content(.file, transport: .test)]).element
        let refusal = await #expect(throws: StanzaError.self) {
            while true { try await ends.0.request(info) }
        }
        #expect(refusal?.condition == .itemNotFound)
        #expect(await allEvents(session).last == .ended(.peer(Reason(.generalError))))
        await stop()
    }

    /// However much there is to be read before it.
    @Test func theEndGetsThrough() async throws {
        let (session, offer) = try await offer()
        try await offer.session.accept([.test])
        let info = JingleStanza(.transportInfo, sid: "s", contents: [Content(.file, transport: .test)]).element
        // As many as a session keeps.
        for _ in 0..<128 { try await ends.0.request(info) }
        await session.terminate(Reason(.success))
        let events = await allEvents(offer.session)
        #expect(events.count == 129)
        #expect(events.last == .ended(.peer(Reason(.success))))
        await stop()
    }

    private func allEvents(_ session: JingleSessionHandle) async -> [JingleEvent] {
        await session.events.reduce(into: []) { $0.append($1) }
    }
}

extension Content {
    fileprivate static let test = Content(
        .file, senders: .initiator, description: .fileTransfer(FileDescription(name: "a.txt", size: 3)),
        transport: .test)
}

extension ContentTransport {
    fileprivate static let test = ContentTransport.iceQUIC(
        ICEQUICTransportDescription(ice: ICEUDPTransportDescription(credentials: nil)))
}
