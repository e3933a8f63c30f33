import ICE
import Jingle
import SecureChannels
import Testing
import XML
import XMPP

@testable import Transports

/// Two ends of a SOCKS5 transport on loopback; alice is the session's initiator.
struct SOCKS5Pair: Sendable {
    typealias Description = SOCKS5TransportDescription

    /// What an end has.
    struct Side {
        var addresses = ["127.0.0.1"]
        var proxies: [TestProxy] = []
        var allowed = AllowedPaths.all
        var certificate: Result<DeviceCertificate, any Error>?
        var limits = SOCKS5Pair.generous
    }

    /// What a test changes on the way.
    struct Changes: Sendable {
        var offer: @Sendable (inout Description) -> Void = { _ in }
        var answer: @Sendable (inout Description) -> Void = { _ in }
    }

    /// What came of it at one end.
    struct End: Sendable {
        var path: PathReport
        var bytes: [UInt8]
    }

    let alice: SOCKS5Transport
    let bob: SOCKS5Transport
    private let channels: (LinkedChannel, LinkedChannel)
    private let proxies: [TestProxy]

    /// Nothing is late on a busy machine.
    static let generous = {
        var limits = SOCKS5Transport.Limits()
        limits.patience = .seconds(600)
        limits.total = .seconds(1200)
        limits.activation = .seconds(600)
        limits.handshake = .seconds(600)
        limits.opening = .seconds(600)
        limits.sockets = .init(dial: .seconds(600), answer: .seconds(600), admission: .seconds(600))
        return limits
    }()

    init(alice first: Side = Side(), bob second: Side = Side(), isAliceOfferer: Bool = true) throws {
        channels = try LinkedChannel.pair()
        proxies = first.proxies + second.proxies
        alice = try Self.transport(.initiator, first, channels.0, channels.1.address, isAliceOfferer)
        bob = try Self.transport(.responder, second, channels.1, channels.0.address, !isAliceOfferer)
    }

    private static func transport(
        _ role: JingleRole, _ side: Side, _ channel: LinkedChannel, _ peer: JID, _ isOfferer: Bool
    ) throws -> SOCKS5Transport {
        SOCKS5Transport(
            sessionRole: role, isOfferer: isOfferer, own: channel.address, peer: peer, channel: channel,
            contentName: "file", tls: try side.certificate?.get(),
            addresses: side.addresses.compactMap { ICEAddress(ip: $0, port: 0) },
            proxies: side.proxies.map(\.host), allowed: side.allowed, allowsLoopback: true, limits: side.limits)
    }

    /// A side with a certificate.
    static func tls(_ certificate: Result<DeviceCertificate, any Error>, _ side: Side = Side()) -> Side {
        var side = side
        side.certificate = certificate
        return side
    }

    /// Exchanges offer and answer.
    func describe(_ changes: Changes = Changes(), isAliceOfferer: Bool = true) async throws {
        let (offerer, answerer) = isAliceOfferer ? (alice, bob) : (bob, alice)
        var offer = try await offerer.socks5Description()
        changes.offer(&offer)
        try answerer.receive(try .overTheWire(.socks5(offer)))
        var answer = try await answerer.socks5Description()
        changes.answer(&answer)
        try offerer.receive(try .overTheWire(.socks5(answer)))
    }

    /// Carries what each tells to the other, and serves the proxies, while something is done.
    func whileSignalling<Value: Sendable>(_ body: @Sendable @escaping () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await Self.carry(from: alice, to: bob) }
            group.addTask { try await Self.carry(from: bob, to: alice) }
            for proxy in proxies {
                // Only one side has proxies, or each has its own: a request arrives at the other end of its link.
                let end = channels.0.address.domain == proxy.address.domainOfOwner ? channels.1 : channels.0
                let requests = end.requests(inNamespace: SOCKS5Bytestream.namespace)
                group.addTask { try await proxy.serve(end, requests) }
            }
            return try await body()
        }
    }

    private static func carry(from sender: SOCKS5Transport, to receiver: SOCKS5Transport) async throws {
        while let info = await sender.nextTransportInfo() { try receiver.receive(try .overTheWire(info)) }
    }

    /// Negotiates, and sends bytes one way.
    func transfer(
        _ bytes: [UInt8], fromAlice: Bool = true, isAliceOfferer: Bool = true, _ changes: Changes = Changes()
    ) async throws -> (sender: Result<End, any Error>, receiver: Result<End, any Error>) {
        try await describe(changes, isAliceOfferer: isAliceOfferer)
        let (sender, receiver) = fromAlice ? (alice, bob) : (bob, alice)
        return try await whileSignalling {
            async let sent = Result.of {
                let connection = try await sender.connect()
                let stream = try await connection.openStream(contentName: "file")
                try await stream.writeAll(bytes, pool: BlockPool())
                try await stream.finish()
                return End(path: connection.path, bytes: bytes)
            }
            async let received = Result.of {
                let (connection, name, stream) = try await receiver.acceptStream()
                #expect(name == "file")
                return End(path: connection.path, bytes: try await stream.readAll())
            }
            return await (sent, received)
        }
    }
}

extension JID {
    /// `proxy.a.example` serves `a.example`.
    fileprivate var domainOfOwner: String { domain.split(separator: ".").dropFirst().joined(separator: ".") }
}

extension SOCKS5Transport {
    func socks5Description() async throws -> SOCKS5TransportDescription {
        guard case .socks5(let description) = await localDescription() else { throw TestFailure() }
        return description
    }
}

extension ContentTransport {
    /// What the peer reads.
    static func overTheWire(_ transport: ContentTransport) throws -> ContentTransport {
        try ContentTransport(XMLElement(parsing: transport.element.serialized()))
    }
}
