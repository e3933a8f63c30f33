import NIOCore
import NIOPosix
import SecureChannels
import Synchronization
import TestSupport
import Testing
import XML
import XMPP

/// A proxy for SOCKS5 bytestreams (XEP-0065) on loopback, with faults if wanted.
final class TestProxy: Sendable {
    enum Behaviour: Sendable, Hashable {
        case normal
        /// Takes connections and says nothing.
        case silent
        /// Answers the request with a refusal.
        case refusing
        /// Speaks something else.
        case web
        /// Answers the request with an IPv4 or IPv6 address in place of what was asked for.
        case answeringIPv4, answeringIPv6
        /// Does not carry bytes.
        case notActivating
        /// Is not there.
        case unreachable
    }

    let behaviour: Behaviour
    let address: JID
    let port: UInt16
    fileprivate let waiting = Mutex<[String: [any Channel]]>([:])
    private let listener: (any Channel)?
    private let held: HeldPort?
    private let accepted: Mutex<Int>

    /// How many connections were made to it.
    var acceptedCount: Int { accepted.withLock { $0 } }

    init(_ behaviour: Behaviour = .normal, name: String = "proxy.a.example") async throws {
        self.behaviour = behaviour
        address = try #require(JID(name))
        let owner = Owner()
        accepted = Mutex(0)
        guard behaviour != .unreachable else {
            let held = try HeldPort()
            (listener, self.held, port) = (nil, held, held.port)
            return
        }
        held = nil
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton.next())
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let proxy = owner.proxy.withLock({ $0.proxy }) else { throw TestFailure() }
                    proxy.accepted.withLock { $0 += 1 }
                    try channel.pipeline.syncOperations.addHandler(TestProxyHandler(proxy))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.listener = listener
        port = UInt16(try #require(listener.localAddress?.port))
        owner.proxy.withLock { $0.proxy = self }
    }

    deinit { listener?.close(promise: nil) }

    /// Refers to the proxy from its listener without keeping it.
    private final class Owner: Sendable {
        struct Reference: Sendable { weak var proxy: TestProxy? }
        let proxy = Mutex(Reference())
    }

    /// Where it is, as the server would tell.
    var host: ProxyDiscovery.StreamHost { .init(address: address, host: "127.0.0.1", port: port) }

    /// Answers the requests that arrive at the other end of a link, as the server would route them.
    func serve(_ end: LinkedChannel, _ requests: AsyncStream<IQ>) async throws {
        for await request in requests {
            guard request.to == address, case .set(let query) = request.content, let requester = request.from,
                let target = query.first("activate").flatMap({ JID($0.text) }), let sid = query["sid"]
            else {
                try await end.send(request.refusal(StanzaError(.badRequest, kind: .modify)).element)
                continue
            }
            let name = SOCKS5Bytestream.destinationAddress(
                sid: sid, requester: requester, target: target, sha1: DigestAlgorithm.sha1.hash)
            let both = waiting.withLock { $0.removeValue(forKey: name) } ?? []
            guard both.count == 2, behaviour != .notActivating else {
                try await end.send(request.refusal(StanzaError(.notAllowed, kind: .cancel)).element)
                continue
            }
            for (one, other) in [(both[0], both[1]), (both[1], both[0])] {
                try await one.eventLoop.submit {
                    try one.pipeline.syncOperations.handler(type: TestProxyHandler.self).partner = other
                }.get()
            }
            try await end.send(request.result(nil).element)
        }
    }
}

private final class TestProxyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    var partner: (any Channel)?
    private let proxy: TestProxy
    private var input = ByteBuffer()
    private var isGreeted = false
    private var isWaiting = false

    init(_ proxy: TestProxy) { self.proxy = proxy }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if let partner { return partner.writeAndFlush(buffer, promise: nil) }
        // What comes too early is lost (XEP-0065 § 9.1).
        guard !isWaiting, proxy.behaviour != .silent else { return }
        input.writeBuffer(&buffer)
        if !isGreeted, input.readableBytes >= 3 {
            isGreeted = true
            guard input.readBytes(length: 3) == [5, 1, 0] else { return context.close(promise: nil) }
            answer(proxy.behaviour == .web ? Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8) : [5, 0], context)
        }
        guard isGreeted, input.readableBytes >= 47, let request = input.readBytes(length: 47) else { return }
        guard request.starts(with: [5, 1, 0, 3, 40]), request.suffix(2) == [0, 0] else {
            return context.close(promise: nil)
        }
        isWaiting = true
        let name = String(decoding: request[5..<45], as: UTF8.self)
        let channel = context.channel
        proxy.waiting.withLock { $0[name, default: []].append(channel) }
        switch proxy.behaviour {
        case .refusing: answer([5, 2, 0] + request[3...], context)
        case .answeringIPv4: answer([5, 0, 0, 1, 192, 0, 2, 1, 0, 80], context)
        case .answeringIPv6: answer([5, 0, 0, 4] + [UInt8](repeating: 1, count: 18), context)
        case .normal, .silent, .web, .notActivating, .unreachable: answer([5, 0, 0] + request[3...], context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { partner?.close(mode: .output, promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        partner?.close(promise: nil)
        partner = nil
    }

    private func answer(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        context.writeAndFlush(NIOAny(ByteBuffer(bytes: bytes)), promise: nil)
    }
}
