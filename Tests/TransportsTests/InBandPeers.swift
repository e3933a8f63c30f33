import Jingle
import SecureChannels
import Testing
import XMPP

@testable import Transports

/// Two transports over a link in memory.
struct InBandPair {
    enum Side { case first, second }

    let ends: (LinkedChannel, LinkedChannel)
    let hosts: (InBandHost, InBandHost)
    /// The side of the session's initiator.
    let first: InBandTransport
    let second: InBandTransport
    private let initiatorOffers: Bool

    init(
        certificates: (Bool, Bool) = (false, false), blockSizes: (UInt16, UInt16) = (8192, 8192),
        initiatorOffers: Bool = true, stanzaByteCount: Int? = nil, limits: InBandLink.Limits = .generous
    ) async throws {
        ends = try LinkedChannel.pair(maximumStanzaByteCount: stanzaByteCount)
        hosts = (InBandHost(channel: ends.0), InBandHost(channel: ends.1))
        await hosts.0.start()
        await hosts.1.start()
        self.initiatorOffers = initiatorOffers
        first = InBandTransport(
            sessionRole: .initiator, isOfferer: initiatorOffers, peer: ends.1.address, host: hosts.0,
            contentName: "content", certificate: certificates.0 ? try DeviceCertificate.generate() : nil,
            blockSize: blockSizes.0, limits: limits)
        second = InBandTransport(
            sessionRole: .responder, isOfferer: !initiatorOffers, peer: ends.0.address, host: hosts.1,
            contentName: "content", certificate: certificates.1 ? try DeviceCertificate.generate() : nil,
            blockSize: blockSizes.1, limits: limits)
    }

    /// Exchanges offer and answer.
    ///
    /// - Parameter forging: whose fingerprint is replaced on the way.
    @discardableResult
    func negotiate(
        forging: Side? = nil
    ) async throws -> (offer: InBandTransportDescription, answer: InBandTransportDescription) {
        let (offerer, answerer) = initiatorOffers ? (first, second) : (second, first)
        let offer = try overTheWire(await offerer.localDescription(), isForged: forging == .first)
        try answerer.receive(.inBand(offer))
        let answer = try overTheWire(await answerer.localDescription(), isForged: forging == .second)
        try offerer.receive(.inBand(answer))
        return (offer, answer)
    }

    /// Connects, and opens a stream from one side to the other.
    func streams(
        name: String = "pipe", fromSecond: Bool = false
    ) async throws -> (any ByteStream, any ByteStream) {
        let (opener, other) = fromSecond ? (second, first) : (first, second)
        async let accepted = other.acceptStream()
        let connection = try await opener.connect()
        let stream = try await connection.openStream(contentName: name)
        let received = try await accepted
        #expect(received.contentName == (connection.path.isEndToEndEncrypted ? name : "content"))
        return (stream, received.stream)
    }

    /// What a side has asked the other.
    func sent(_ side: Side) -> [InBandBytestream] {
        (side == .first ? ends.0 : ends.1).sentPayloads.compactMap { try? InBandBytestream($0) }
    }

    /// How often a side has asked whether the other is there.
    func pingCount(_ side: Side) -> Int {
        (side == .first ? ends.0 : ends.1).sentPayloads.count { $0 == Ping.request }
    }

    /// Returns when a side has closed the bytestream.
    func waitForClose() async {
        let isClose: (InBandBytestream) -> Bool = { if case .close = $0 { true } else { false } }
        while !(sent(.first) + sent(.second)).contains(where: isClose) { await Task.yield() }
    }

    func stop() async {
        await hosts.0.stop()
        await hosts.1.stop()
    }

    private func overTheWire(
        _ transport: ContentTransport, isForged: Bool
    ) throws -> InBandTransportDescription {
        var description = try InBandTransportDescription(transport.element)
        if isForged, let fingerprint = description.fingerprint {
            let bytes = try DeviceCertificate.generate().fingerprint.bytes
            description.fingerprint = FingerprintDescription(bytes: bytes, setup: fingerprint.setup)
        }
        return description
    }
}

/// A transport, and a peer that is played by hand; without TLS.
struct InBandPeer {
    let channel: LinkedChannel
    /// Our end of the link.
    let own: LinkedChannel
    let transport: InBandTransport
    let sid: String
    private let host: InBandHost
    private let blockSize: UInt16

    /// - Parameters:
    ///   - isInitiator: whether the peer has begun the session, and made the offer.
    ///   - declaredPeer: with whom the bytestream was negotiated, if with somebody else.
    init(
        isInitiator: Bool = true, sid: String = "i781hf64", blockSize: UInt16 = 4096, declaredPeer: JID? = nil,
        limits: InBandLink.Limits = .generous
    ) async throws {
        (own, channel) = try LinkedChannel.pair()
        host = InBandHost(channel: own)
        await host.start()
        transport = InBandTransport(
            sessionRole: isInitiator ? .responder : .initiator, isOfferer: !isInitiator,
            peer: declaredPeer ?? channel.address, host: host, contentName: "content", certificate: nil,
            blockSize: blockSize, limits: limits)
        self.blockSize = blockSize
        if isInitiator {
            try transport.receive(.inBand(InBandTransportDescription(sid: sid, blockSize: blockSize)))
            _ = await transport.localDescription()
            self.sid = sid
        } else {
            guard case .inBand(let offer) = await transport.localDescription() else { throw TestFailure() }
            try transport.receive(.inBand(InBandTransportDescription(sid: offer.sid, blockSize: blockSize)))
            self.sid = offer.sid
        }
    }

    /// What we ask the peer from now on.
    func requests() -> AsyncStream<IQ> { channel.requests(inNamespace: InBandBytestream.namespace) }

    /// The peer opens the bytestream.
    func opened() async throws { try await request(.open(sid: sid, blockSize: blockSize)) }

    /// The peer's stream, once it is open.
    func connect() async throws -> (contentName: String, stream: any ByteStream) {
        let accepted = try await transport.acceptStream()
        return (accepted.contentName, accepted.stream)
    }

    /// The peer asks something, and waits for the result.
    func request(_ request: InBandBytestream) async throws { try await channel.request(request.element) }

    /// The peer asks something, and does not wait.
    func begin(_ request: InBandBytestream) async throws -> PendingAnswer {
        try await channel.sendRequest(.set, to: own.address, payload: request.element, timeout: .zero)
    }

    /// Returns when we have asked the peer that.
    func received(_ request: InBandBytestream) async -> Bool {
        while !own.sentPayloads.contains(request.element) { await Task.yield() }
        return true
    }

    func stop() async { await host.stop() }
}

extension InBandLink.Limits {
    /// Nobody is late on a busy machine, nor asked whether it is there, which nobody in these tests answers by itself.
    static let generous = InBandLink.Limits(
        opening: .seconds(300), handshake: .seconds(300), acknowledgement: .seconds(300), silence: .seconds(3600),
        shortSilence: .seconds(3600))
}
