import Logging
import NIOCore
import NIOPosix
import Testing
import XMPP

@testable import Client

/// The client against servers on the loopback interface that say one thing and no more.
@Suite struct UnfriendlyServerTests {
    static let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    static let greeting = header + "version='1.0' from='example.org' id='1'>"

    static func features(_ content: String) -> String {
        greeting + "<stream:features>\(content)</stream:features>"
    }

    static let startTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    static let mechanisms =
        "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>"

    /// What the server says, and what the client makes of it.
    static let cases: [(String, @Sendable (ServerEndpoint) -> ClientError)] = [
        (features(mechanisms), { .startTLSNotOffered($0) }),
        (features(""), { .startTLSNotOffered($0) }),
        (
            features(startTLS) + "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>",
            { .startTLSNotOffered($0) }
        ),
        (
            features(startTLS) + "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message/>",
            { _ in .protocolFailure(reason: "something came unencrypted after TLS was agreed on") }
        ),
        (header + ">", { _ in .protocolFailure(reason: "it does not speak XMPP 1.0") }),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", { _ in .protocolFailure(reason: "its XML cannot be read") }),
        ("<!DOCTYPE x>" + greeting, { _ in .protocolFailure(reason: "its XML cannot be read") }),
        (greeting + "<iq/>", { _ in .protocolFailure(reason: "something unexpected came during the log-in") }),
        (greeting + "</stream:stream>", { _ in .closed(reason: "the server closed the stream during the log-in") }),
        (
            greeting + "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            { _ in .streamError(.systemShutdown) }
        ),
    ]

    @Test(arguments: cases.indices) func isLeft(number: Int) async throws {
        let (speech, expected) = Self.cases[number]
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Speaker(speech: speech))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let endpoint = ServerEndpoint(
            host: "127.0.0.1", port: try #require(server.localAddress?.port), security: .startTLS)
        let configuration = ClientConfiguration(
            account: try #require(JID("me@example.org")), password: Password("secret"), server: endpoint)
        await #expect(throws: expected(endpoint)) {
            try await XMPPClient.connect(configuration, log: Logger(label: "test"))
        }
        try await server.close()
    }

    @Test func anInternationalDomainIsRefusedWithAHint() async throws {
        let configuration = ClientConfiguration(
            account: try #require(JID("me@münchen.example")), password: Password("secret"))
        await #expect(throws: ClientError.domainNotASCII("münchen.example")) {
            try await XMPPClient.connect(configuration, log: Logger(label: "test"))
        }
    }

    @Test func aDomainIsNoAccount() async throws {
        let domain = try #require(JID("example.org"))
        await #expect(throws: ClientError.notAnAccount(domain)) {
            try await XMPPClient.connect(
                ClientConfiguration(account: domain, password: Password("secret")), log: Logger(label: "test"))
        }
    }
}

/// Says something once it has been spoken to, and then listens for ever.
private final class Speaker: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private var speech: String?

    init(speech: String) { self.speech = speech }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let speech else { return }
        self.speech = nil
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: speech)), promise: nil)
    }
}
