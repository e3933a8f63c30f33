internal import Logging
internal import NIOCore
internal import NIOPosix
internal import SecureChannels
internal import XML
internal import XMPP

/// One attempt to open a stream at one endpoint, or to go on with one, and the connection's life if it succeeds.
struct StreamConnection: Sendable {
    typealias Pipe = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let endpoint: ServerEndpoint
    let purpose: Purpose
    let configuration: ClientConfiguration
    let limits: Limits
    let log: Logger
    private let pipe: Pipe
    /// Why it was ended here, before its time.
    private let cause = OneShot<ClientError>()
    private let ready = OneShot<Result<XMPPClient, ClientError>>()

    /// What a connection is for.
    enum Purpose: Sendable {
        case newStream
        /// To go on with the stream of a client, which has no connection.
        case resumption(of: XMPPClient)
    }

    /// How a connection ended.
    enum Ending: Sendable {
        /// The connection is gone; the server may have kept the stream.
        case lost(ClientError)
        /// The stream is over. The text is to be sent last.
        case over(ClientError, farewell: String = "")

        var reason: ClientError {
            switch self {
            case .lost(let reason), .over(let reason, _): reason
            }
        }
    }

    /// How long the steps may take.
    struct Limits: Sendable {
        var connecting = Duration.seconds(10)
        var securing = Duration.seconds(10)
        var loggingIn = Duration.seconds(15)
        /// After this time of silence the server is asked whether it is still there.
        var silence = Duration.seconds(60)
        /// How long it may take to answer.
        var patience = Duration.seconds(30)
        /// How long it may be silent when it owes an acknowledgement (XEP-0198), with which a stream is not lost.
        var acknowledging = Duration.seconds(15)
        /// How often to look whether this host still has its address.
        var inspection = Duration.seconds(2)
        /// For how long to try to go on with a stream that lost its connection, if the server does not name less.
        var resuming = Duration.seconds(StreamManagement.resumptionSeconds)
        /// The longest pause between two attempts at that: hosts change networks in little time.
        var longestPauseSeconds = 8.0
        /// How long the server may take to close its side of the stream.
        var closing = Duration.seconds(2)
    }

    /// Connects, secures the connection, logs in, and opens a stream or goes on with one.
    static func open(
        _ endpoint: ServerEndpoint, for purpose: Purpose, configuration: ClientConfiguration, limits: Limits,
        log: Logger
    ) async throws(ClientError) -> XMPPClient {
        let pipe = try await connect(endpoint, limits: limits)
        let connection = StreamConnection(
            endpoint: endpoint, purpose: purpose, configuration: configuration, limits: limits, log: log, pipe: pipe)
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
        let outcome = OneShot<Ending>()
        do {
            try await pipe.executeThenClose { inbound, outbound in
                let ending = await live(inbound, outbound)
                if case .over(_, let farewell) = ending, !farewell.isEmpty {
                    try? await outbound.write(ByteBuffer(string: farewell))
                }
                outcome.fulfil(ending)
            }
        } catch {
            outcome.fulfil(.lost(ended(by: error)))
        }
        var ending = outcome.current ?? .lost(Self.cutByServer)
        // What the server has said counts more than what has become of the connection.
        if case .lost = ending, let cause = cause.current { ending = .lost(cause) }
        guard !ready.fulfil(.failure(ending.reason)) else { return }
        if case .success(let client) = ready.current { client.connectionEnded(ending) }
    }

    private static let cutByServer = ClientError.closed(reason: "the server cut the connection")

    /// Negotiates, then serves the client. Returns why it is over.
    private func live(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async -> Ending {
        var iterator = inbound.makeAsyncIterator()
        var parser = XMLStreamParser()
        do {
            let (outcome, stream, events) = try await negotiate(&iterator, &parser, outbound)
            let link = StreamLink(channel: pipe.channel, cause: cause)
            let client = try client(outcome, stream, link)
            ready.fulfil(.success(client))
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await client.watch(link) }
                // Should this fail, the connection is closed, which ends the reading too.
                group.addTask {
                    for await _ in link.signals {
                        while let output = client.nextOutput() { try await outbound.write(ByteBuffer(string: output)) }
                    }
                }
                defer { group.cancelAll() }
                if let ending = client.received(events) { return ending }
                while let buffer = try await iterator.next(isolation: #isolation) {
                    if let ending = client.received(parser.feed(buffer.readableBytesView)) { return ending }
                }
                return .lost(Self.cutByServer)
            }
        } catch let error as StreamManagementViolation {
            return .over(ClientError(error), farewell: error.closingText)
        } catch {
            return .lost(ended(by: error))
        }
    }

    /// The client whose stream it is from now on.
    private func client(_ outcome: Outcome, _ stream: StreamDescription, _ link: StreamLink) throws -> XMPPClient {
        switch (outcome, purpose) {
        case (.bound(let address), _):
            log.debug("logged in", metadata: ["address": "\(address)", "server": "\(endpoint)"])
            return XMPPClient(
                address: address, stream: stream, configuration: configuration, limits: limits, link: link, log: log)
        case (.resumed(let handledCount), .resumption(let client)):
            try client.resumed(over: link, handledCount: handledCount)
            log.info("stream resumed", metadata: ["server": "\(endpoint)"])
            return client
        case (.resumed, .newStream): throw StreamManagementViolation.unexpected("resumed")
        }
    }

    private enum Outcome {
        case bound(JID)
        case resumed(UInt32)
    }

    /// Logs in. Returns what the stream is, how it came about, and what the parser found after that.
    private func negotiate(
        _ iterator: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator, _ parser: inout XMLStreamParser,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> (Outcome, StreamDescription, ArraySlice<XMLStreamEvent>) {
        var resumption: StreamResumption?
        if case .resumption(let client) = purpose { resumption = client.resumption }
        var negotiation = StreamNegotiation(
            account: configuration.account, password: configuration.password, resource: configuration.resource,
            resumption: resumption, cryptography: OpenSSLCryptography())
        var consumedByteCount = 0
        var tlsVersion = ""
        var actions: [StreamNegotiation.Action] = []
        var deadline = startDeadline(.loggingIn)
        defer { deadline.cancel() }
        switch endpoint.security {
        case .startTLS: actions = negotiation.connected()
        case .directTLS:
            deadline.cancel()
            let tls = try await startTLS(after: 0)
            tlsVersion = tls.version
            actions = negotiation.tlsEstablished(tls.parameters)
            deadline = startDeadline(.loggingIn)
        }
        var events: ArraySlice<XMLStreamEvent> = []
        func description() -> StreamDescription {
            StreamDescription(
                endpoint: endpoint, ipAddress: pipe.channel.remoteAddress?.ipAddress, tlsVersion: tlsVersion,
                mechanism: negotiation.mechanism ?? "",
                features: negotiation.features ?? XMLElement("features", namespace: Namespace.streams))
        }
        while true {
            while !actions.isEmpty {
                switch actions.removeFirst() {
                case .send(let text): try await outbound.write(ByteBuffer(string: text))
                case .startTLS:
                    guard events.isEmpty else { throw TLSHandler.Refusal.unencryptedBytes }
                    deadline.cancel()
                    let tls = try await startTLS(after: consumedByteCount)
                    tlsVersion = tls.version
                    actions += negotiation.tlsEstablished(tls.parameters)
                    deadline = startDeadline(.loggingIn)
                case .restartStream:
                    parser = XMLStreamParser()
                    events = []
                case .bound(let address): return (.bound(address), description(), events)
                case .resumed(let handledCount): return (.resumed(handledCount), description(), events)
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

    private func startTLS(
        after consumedByteCount: Int
    ) async throws -> (version: String, parameters: TLSParameters) {
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
        let version = result.version == "TLSv1.3" ? TLSParameters.Version.tls13 : .tls12
        return (result.version, TLSParameters(version: version, channelBindings: bindings))
    }

    private func startDeadline(_ step: ClientError.Step) -> Scheduled<Void> {
        let duration =
            switch step {
            case .connecting: limits.connecting
            case .securing: limits.securing
            case .loggingIn: limits.loggingIn
            }
        return pipe.channel.eventLoop.scheduleTask(in: TimeAmount(duration)) {
            [cause, endpoint, channel = pipe.channel] in
            cause.fulfil(.timedOut(step, endpoint))
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
        default: Self.cutByServer
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
