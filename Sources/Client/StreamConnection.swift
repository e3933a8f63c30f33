internal import Logging
internal import NIOCore
internal import NIOPosix
internal import SecureChannels
internal import XML
internal import XMPP

/// One attempt to open a stream at one endpoint, and the stream's life if it succeeds.
struct StreamConnection: Sendable {
    typealias Pipe = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let endpoint: ServerEndpoint
    let configuration: ClientConfiguration
    let limits: Limits
    let log: Logger
    private let pipe: Pipe
    private let timedOut = OneShot<ClientError.Step>()
    private let ready = OneShot<Result<XMPPClient, ClientError>>()

    /// How long the steps may take.
    struct Limits: Sendable {
        var connecting = Duration.seconds(10)
        var securing = Duration.seconds(10)
        var loggingIn = Duration.seconds(15)
        /// After this time of silence the server is asked whether it is still there.
        var silence = Duration.seconds(60)
        /// How long it may take to answer.
        var patience = Duration.seconds(30)
        /// How long the server may take to close its side of the stream.
        var closing = Duration.seconds(2)
    }

    /// Connects, secures the connection and logs in.
    static func open(
        _ endpoint: ServerEndpoint, configuration: ClientConfiguration, limits: Limits, log: Logger
    ) async throws(ClientError) -> XMPPClient {
        let pipe = try await connect(endpoint, limits: limits)
        let connection = StreamConnection(
            endpoint: endpoint, configuration: configuration, limits: limits, log: log, pipe: pipe)
        // The task lives as long as the connection, whose closing ends it: by the client, the server or a time limit.
        Task { await connection.run() }
        let result: Result<XMPPClient, ClientError>
        do throws(CancellationError) {
            result = try await connection.ready.value
        } catch {
            pipe.channel.close(promise: nil)
            throw .cancelled
        }
        return try result.get()
    }

    // A and AAAA records are raced (RFC 8305) by the bootstrap.
    private static func connect(_ endpoint: ServerEndpoint, limits: Limits) async throws(ClientError) -> Pipe {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(TimeAmount(limits.connecting))
                .connect(host: endpoint.host, port: endpoint.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(TLSHandler())
                        return try Pipe(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as NIOConnectionError {
            guard let failure = error.connectionErrors.last else { throw .dnsFailed(host: endpoint.host) }
            throw ClientError(connecting: failure.error, to: endpoint)
        } catch {
            throw ClientError(connecting: error, to: endpoint)
        }
    }

    private func run() async {
        // What the life ended with counts, not what the closing came to.
        let outcome = OneShot<ClientError>()
        do {
            try await pipe.executeThenClose { inbound, outbound in
                let reason = await live(inbound, outbound)
                outcome.fulfil(reason)
            }
        } catch {
            outcome.fulfil(ended(by: error))
        }
        var reason = outcome.current ?? .closed(reason: "the server cut the connection")
        if let step = timedOut.current { reason = .timedOut(step, endpoint) }
        guard !ready.fulfil(.failure(reason)) else { return }
        if case .success(let client) = ready.current { client.ended(reason) }
    }

    /// Negotiates, then serves the client. Returns why it is over.
    private func live(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async -> ClientError {
        var iterator = inbound.makeAsyncIterator()
        var parser = XMLStreamParser()
        do {
            let (address, events) = try await negotiate(&iterator, &parser, outbound)
            log.debug("logged in", metadata: ["address": "\(address)", "server": "\(endpoint)"])
            let client = XMPPClient(
                address: address, configuration: configuration, limits: limits, channel: pipe.channel,
                writer: outbound, log: log)
            ready.fulfil(.success(client))
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await client.keepAlive() }
                defer { group.cancelAll() }
                if let reason = await client.received(events) { return reason }
                while let buffer = try await iterator.next(isolation: #isolation) {
                    if let reason = await client.received(parser.feed(buffer.readableBytesView)) { return reason }
                }
                return .closed(reason: "the server cut the connection")
            }
        } catch {
            return ended(by: error)
        }
    }

    /// Logs in. Returns the address the stream was given, and what the parser found after that.
    private func negotiate(
        _ iterator: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator, _ parser: inout XMLStreamParser,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> (JID, ArraySlice<XMLStreamEvent>) {
        var negotiation = StreamNegotiation(
            account: configuration.account, password: configuration.password, resource: configuration.resource,
            cryptography: OpenSSLCryptography())
        var consumedByteCount = 0
        var actions: [StreamNegotiation.Action] = []
        var deadline = startDeadline(.loggingIn)
        defer { deadline.cancel() }
        switch endpoint.security {
        case .startTLS: actions = negotiation.connected()
        case .directTLS:
            deadline.cancel()
            actions = negotiation.tlsEstablished(try await startTLS(after: 0))
            deadline = startDeadline(.loggingIn)
        }
        var events: ArraySlice<XMLStreamEvent> = []
        while true {
            while !actions.isEmpty {
                switch actions.removeFirst() {
                case .send(let text): try await outbound.write(ByteBuffer(string: text))
                case .startTLS:
                    guard events.isEmpty else { throw TLSHandler.Refusal.unencryptedBytes }
                    deadline.cancel()
                    actions += negotiation.tlsEstablished(try await startTLS(after: consumedByteCount))
                    deadline = startDeadline(.loggingIn)
                case .restartStream:
                    parser = XMLStreamParser()
                    events = []
                case .bound(let address): return (address, events)
                case .failed(let error):
                    try? await outbound.write(ByteBuffer(string: "</stream:stream>"))
                    throw error
                }
            }
            if let event = events.popFirst() {
                actions = negotiation.received(event)
                continue
            }
            guard let buffer = try await iterator.next(isolation: #isolation) else {
                throw ClientError.closed(reason: "the server cut the connection during the log-in")
            }
            consumedByteCount += buffer.readableBytes
            events = parser.feed(buffer.readableBytesView)[...]
        }
    }

    private func startTLS(after consumedByteCount: Int) async throws -> TLSParameters {
        let deadline = startDeadline(.securing)
        defer { deadline.cancel() }
        let domain = configuration.account.domain
        let tls = TLSConfiguration(
            serverName: domain, applicationProtocols: endpoint.security == .directTLS ? ["xmpp-client"] : [],
            authorityFile: configuration.authorityFile)
        let channel = pipe.channel
        let result = try await channel.eventLoop.flatSubmit {
            do {
                let handler = try channel.pipeline.syncOperations.handler(type: TLSHandler.self)
                return handler.start(tls, consumedByteCount: consumedByteCount)
                    ?? channel.eventLoop.makeFailedFuture(TLSHandler.Refusal.connectionEnded)
            } catch {
                return channel.eventLoop.makeFailedFuture(TLSHandler.Refusal.connectionEnded)
            }
        }.get()
        log.debug("secured", metadata: ["server": "\(endpoint)", "version": "\(result.version)"])
        var bindings: [ChannelBindingType: [UInt8]] = [:]
        bindings[.tlsExporter] = result.exporterChannelBinding
        bindings[.tlsUnique] = result.uniqueChannelBinding
        return TLSParameters(version: result.version == "TLSv1.3" ? .tls13 : .tls12, channelBindings: bindings)
    }

    private func startDeadline(_ step: ClientError.Step) -> Scheduled<Void> {
        let duration =
            switch step {
            case .connecting: limits.connecting
            case .securing: limits.securing
            case .loggingIn: limits.loggingIn
            }
        return pipe.channel.eventLoop.scheduleTask(in: TimeAmount(duration)) { [timedOut, channel = pipe.channel] in
            timedOut.fulfil(step)
            channel.close(promise: nil)
        }
    }

    private func ended(by error: any Error) -> ClientError {
        switch error {
        case let error as ClientError: error
        case let error as StreamNegotiationError: ClientError(error, at: endpoint)
        case TLSError.truncated where ready.current != nil: .closed(reason: "the connection was cut off")
        case let error as TLSError: .tlsFailed(endpoint, error)
        case TLSHandler.Refusal.unencryptedBytes:
            .protocolFailure(reason: "something came unencrypted after TLS was agreed on")
        case let error as IOError: .closed(reason: error.text)
        default: .closed(reason: "the server cut the connection")
        }
    }
}

extension ClientError {
    fileprivate init(connecting error: any Error, to endpoint: ServerEndpoint) {
        switch error {
        case ChannelError.connectTimeout: self = .timedOut(.connecting, endpoint)
        case let error as IOError: self = .connectFailed(endpoint, reason: error.text)
        default: self = .connectFailed(endpoint, reason: "the system does not say why")
        }
    }
}
