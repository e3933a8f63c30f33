import ICE
import Jingle
import SecureChannels
import Testing
import Transports
import XMPP

/// Two hosts over a link in memory, and between them ICE over loopback and QUIC.
@Suite struct NegotiationTests {
    @Test func offerAnswerTrickleConnectAndBytes() async throws {
        try await withEnds { ends in
            let (sent, received) = try await ends.connect()
            let bytes = numbered(3_000_001, salt: 9)
            async let arrived = received.stream.readAll()
            try await sent.stream.writeAll(bytes, pool: BlockPool())
            try await sent.stream.finish()
            #expect(received.contentName == "file")
            #expect(try await arrived == bytes)
            #expect(sent.connection.path.kind == .direct)
            #expect(ends.initiator.peerFingerprint == (try ChannelPair.bob.get().fingerprint))
            #expect(ends.responder.peerFingerprint == (try ChannelPair.alice.get().fingerprint))
            await sent.connection.close()
        }
    }

    @Test func anotherFingerprintThanSignalledIsRefusedOnBothSides() async throws {
        try await withEnds { ends in
            let stranger = try DeviceCertificate.generate().fingerprint
            await #expect(throws: TransportFailure.peerNotAuthenticated) {
                _ = try await ends.connect { answer in
                    let setup = try #require(answer.ice.fingerprint?.setup)
                    answer.ice.fingerprint = FingerprintDescription(bytes: stranger.bytes, setup: setup)
                }
            }
        }
    }

    @Test func anAnswerWithoutFingerprintCannotBeUsed() async throws {
        try await withEnds { ends in
            await #expect(throws: TransportFailure.noFingerprint) {
                var description = try await ends.answer()
                description.ice.fingerprint = nil
                try ends.initiator.receive(.iceQUIC(description))
                _ = try await ends.initiator.connect()
            }
        }
    }

    @Test func credentialsCannotBeChangedLater() async throws {
        try await withEnds { ends in
            var description = try await ends.answer()
            try ends.initiator.receive(.iceQUIC(description))
            description.ice.credentials = ICEUDPTransportDescription.Credentials(
                ufrag: "other", pwd: "0123456789012345678901")
            #expect(throws: TransportFailure.unusableDescription("other ICE credentials than before")) {
                try ends.initiator.receive(.iceQUIC(description))
            }
        }
    }

    @Test func aClosedTransportEndsTheWaitForAPath() async throws {
        try await withEnds { ends in
            // The peer has signalled all it must, and is then silent for ever.
            try ends.initiator.receive(.iceQUIC(try await ends.answer()))
            let connection = Task { try await ends.initiator.connect() }
            ends.initiator.close()
            await #expect(throws: TransportFailure.self) { _ = try await connection.value }
            while await ends.initiator.nextTransportInfo() != nil {}
        }
    }

    /// The addresses of TCP are no candidates of ICE's, which may be told to use relays only.
    @Test(
        arguments: zip(
            [AllowedPaths.directTCP, [.directTCP, .relay], .directUDP, .relay, .hiding],
            [true, true, false, false, false]))
    func addressesForTCPAreTheUsersToPermit(_ allowed: AllowedPaths, areTold: Bool) async throws {
        var configuration = ICEConfiguration(services: [], allowed: allowed)
        configuration.localAddresses = ["127.0.0.1"]
        let transport = try ICEQUICTransport(
            role: .initiator, certificate: try ChannelPair.alice.get(), loop: try ICELoop(),
            configuration: configuration, allowed: allowed)
        defer { transport.close() }
        let description = try await transport.localICEQUICDescription()
        #expect(description.direct?.addresses == (areTold ? ["127.0.0.1"] : nil))
    }

    // MARK: Helpers

    private func withEnds(_ body: (Ends) async throws -> Void) async throws {
        let ends = try await Ends()
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await ends.initiator.run() }
            group.addTask { await ends.responder.run() }
            defer {
                ends.initiator.close()
                ends.responder.close()
            }
            try await body(ends)
        }
        await ends.alice.stop()
        await ends.bob.stop()
    }
}

/// A stream of the initiator's, and what carries it.
private struct OpenedStream: Sendable {
    var connection: any PeerConnection
    var stream: any ByteStream
}

/// Two hosts and two transports.
private struct Ends: Sendable {
    let alice: JingleHost
    let bob: JingleHost
    let initiator: ICEQUICTransport
    let responder: ICEQUICTransport

    init() async throws {
        let channels = try LinkedChannel.pair()
        alice = JingleHost(channel: channels.0)
        bob = JingleHost(channel: channels.1)
        await alice.start()
        await bob.start()
        var configuration = ICEConfiguration()
        configuration.localAddresses = ["127.0.0.1"]
        let loop = try ICELoop()
        initiator = try ICEQUICTransport(
            role: .initiator, certificate: try ChannelPair.alice.get(), loop: loop, configuration: configuration)
        responder = try ICEQUICTransport(
            role: .responder, certificate: try ChannelPair.bob.get(), loop: loop, configuration: configuration)
    }

    /// The responder's answer to the initiator's offer.
    func answer() async throws -> ICEQUICTransportDescription {
        try responder.receive(await initiator.localDescription())
        return try await responder.localICEQUICDescription()
    }

    /// Negotiates a session and connects both sides; all of the initiator's candidates come in transport-info.
    func connect(
        changingAnswer change: @Sendable (inout ICEQUICTransportDescription) throws -> Void = { _ in }
    ) async throws -> (sent: OpenedStream, received: AcceptedStream) {
        var description = try await initiator.localICEQUICDescription()
        // Over loopback TCP would always win; it has tests of its own.
        description.direct = nil
        let whole = description
        description.ice.candidates = []
        description.isGatheringComplete = false
        let session = try await alice.initiate([.file(description)], sid: "s", to: bob.address)
        let offer = try #require(await bob.offers.first { _ in true })
        try responder.receive(try #require(offer.contents.first?.transport))
        var answer = try await responder.localICEQUICDescription()
        answer.direct = nil
        try change(&answer)
        try await offer.session.accept([.file(answer)])
        try await session.sendTransportInfo(.file, .iceQUIC(whole))
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await follow(session, initiator) }
            group.addTask { try await follow(offer.session, responder) }
            defer { group.cancelAll() }
            try await accepted.wait()
            // Both to their ends, also when one fails.
            async let one = Result.of {
                let connection = try await initiator.connect()
                return OpenedStream(
                    connection: connection, stream: try await connection.openStream(contentName: "file"))
            }
            async let other = Result.of { try await responder.acceptStream() }
            let results = await (one, other)
            if case .failure = results.0 {
                #expect(throws: TransportFailure.peerNotAuthenticated) { try results.1.get() }
            }
            return (try results.0.get(), try results.1.get())
        }
    }

    private let accepted = Gate()

    private func follow(_ session: JingleSessionHandle, _ transport: ICEQUICTransport) async throws {
        for await event in session.events {
            switch event {
            case .accepted(let contents):
                try transport.receive(try #require(contents.first?.transport))
                accepted.open()
            case .transportInfo(_, let remote):
                try transport.receive(remote)
            default: break
            }
        }
    }
}

extension ICEQUICTransport {
    fileprivate func localICEQUICDescription() async throws -> ICEQUICTransportDescription {
        guard case .iceQUIC(let description) = await localDescription() else { throw TestFailure() }
        return description
    }
}

/// Lets through once it is open.
struct Gate: Sendable {
    private let opened = AsyncStream.makeStream(of: Void.self)

    func open() { opened.continuation.finish() }
    func wait() async throws {
        for await _ in opened.stream {}
        try Task.checkCancellation()
    }
}

extension Result where Failure == any Error {
    static func of(_ body: () async throws -> Success) async -> Result {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}

extension ContentID {
    static let file = ContentID(creator: .initiator, name: "file")
}

extension Content {
    static func file(_ transport: ICEQUICTransportDescription) -> Content {
        Content(
            .file, senders: .initiator, description: .fileTransfer(FileDescription(name: "a.txt", size: 3_000_001)),
            transport: .iceQUIC(transport))
    }
}
