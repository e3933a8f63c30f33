// Wire/Forward.md § HTTP/2: many streams in one.
internal import Glibc
package import Jingle
internal import NIOCore
internal import NIOHTTP2
internal import NIOPosix
internal import Synchronization

/// Many streams over the one stream of a connection, by HTTP/2 (RFC 9113): each stream is a CONNECT request (§ 8.5).
///
/// Each direction of a stream ends on its own, a stream can be reset, and each has a window of its own, so that one whose
/// reader is slow holds back no other. Either side may open streams.
///
/// Order of use: ``run()`` in a child task for as long as the connection is wanted; then as any connection.
package final class MultiplexedConnection: PeerConnection {
    /// Which side of the HTTP/2 connection this is: the one that opened the base stream is the client.
    package enum Role: Sendable {
        /// Opens the HTTP/2 streams.
        case client
        /// Asks the client for streams.
        case server
    }

    /// How many streams may be open at a time.
    static let streamLimit = 256
    /// The window of all streams together; it is refilled as bytes come, whether they are taken or not.
    private static let connectionWindowByteCount = 32 << 20
    /// How long the end of the connection may take to get to the peer.
    private static let closingLimit = Duration.seconds(3)
    /// The most of one kind of frame that a second may bring, above which the peer does nothing but to annoy.
    private static let frameRateLimit = 10_000

    private let base: any PeerConnection
    private let baseStream: any ByteStream
    private let role: Role
    private let pool: BlockPool
    private let core: MultiplexedCore
    private let link: MultiplexedLink
    private let wanted = Handover<Void>(limit: streamLimit)
    private let over = Handover<Void>(limit: 0)
    private let channelOver = Handover<Void>(limit: 0)

    private init(
        base: any PeerConnection, baseStream: any ByteStream, role: Role, pool: BlockPool,
        core: MultiplexedCore, link: MultiplexedLink
    ) {
        self.base = base
        self.baseStream = baseStream
        self.role = role
        self.pool = pool
        self.core = core
        self.link = link
        link.whenClosed { [channelOver] in
            channelOver.finish(throwing: ByteStreamError.closed("the HTTP/2 connection is over"))
        }
    }

    deinit { link.close() }

    /// Takes over the one stream of a connection, and the connection.
    ///
    /// - Parameter stream: of which nothing was read or written after its header.
    /// - Throws: `ByteStreamError` when this host has no descriptors left.
    package static func over(
        _ base: any PeerConnection, stream: any ByteStream, role: Role
    ) async throws -> MultiplexedConnection {
        try await over(base, stream: stream, role: role, pingInterval: .seconds(30))
    }

    /// The same, and asks the peer for a sign of life at another interval.
    package static func over(
        _ base: any PeerConnection, stream: any ByteStream, role: Role, pingInterval: Duration
    ) async throws -> MultiplexedConnection {
        let core = MultiplexedCore()
        let allowance = WindowAllowance()
        let pool = BlockPool(blockByteCount: 64 << 10, keep: 64)
        do {
            let link = try await MultiplexedLink.make(allowance: allowance) { channel in
                var connection = NIOHTTP2Handler.ConnectionConfiguration()
                connection.initialSettings = [
                    HTTP2Setting(parameter: .maxConcurrentStreams, value: role == .server ? streamLimit + 1 : 0),
                    HTTP2Setting(parameter: .maxHeaderListSize, value: 4096),
                ]
                if role == .client {
                    connection.initialSettings.append(HTTP2Setting(parameter: .enablePush, value: 0))
                }
                connection.targetWindowSize = connectionWindowByteCount
                connection.controlFrameRateLimit.maximumCount = frameRateLimit
                connection.controlFrameRateLimit.windowLength = .seconds(1)
                var streams = NIOHTTP2Handler.StreamConfiguration()
                // The windows of the streams are their handlers' to keep open.
                streams.targetWindowSize = 0
                streams.streamResetFrameRateLimit.maximumCount = frameRateLimit
                streams.streamResetFrameRateLimit.windowLength = .seconds(1)
                streams.streamErrorRateLimit.maximumCount = frameRateLimit
                streams.streamErrorRateLimit.windowLength = .seconds(1)
                let multiplexer = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
                    mode: role == .client ? .client : .server, connectionConfiguration: connection,
                    streamConfiguration: streams
                ) { child in
                    child.eventLoop.makeCompletedFuture {
                        try child.pipeline.syncOperations.addHandler(
                            MultiplexedStreamHandler(.answers, channel: child, pool: pool, allowance: allowance) {
                                purpose, stream in
                                core.take(stream, for: purpose)
                            })
                    }
                }
                let liveness = MultiplexedLivenessHandler(interval: pingInterval, allowance: allowance)
                try channel.pipeline.syncOperations.addHandler(
                    MultiplexedTrafficHandler(for: liveness), position: .first)
                try channel.pipeline.syncOperations.addHandler(liveness)
                return multiplexer
            }
            return MultiplexedConnection(base: base, baseStream: stream, role: role, pool: pool, core: core, link: link)
        } catch let error as ByteStreamError {
            throw error
        } catch {
            throw ByteStreamError.closed("HTTP/2 cannot be started: \(error)")
        }
    }

    /// Carries the bytes, until the connection is over or the task is cancelled.
    package func run() async {
        var end = ByteStreamError.closed("the connection was closed here")
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                group.addTask {
                    _ = try await self.link.bytes.join(self.baseStream, resettingWith: 0)
                    throw ByteStreamError.closed("the peer closed the connection")
                }
                group.addTask {
                    do {
                        try await self.channelOver.next()
                    } catch let error as ByteStreamError {
                        // What it has written before gets out; whether the base stream ends then is somebody else's affair.
                        try await Task.sleep(for: Self.closingLimit)
                        throw error
                    }
                }
                group.addTask { try await self.welcomeStreams() }
                switch role {
                case .client: group.addTask { try await self.followRequests() }
                case .server: group.addTask { try await self.sendRequests() }
                }
                for try await _ in group {}
            }
        } catch let error as ByteStreamError {
            end = error
        } catch {
            // It was cancelled.
        }
        link.close()
        core.finish(end)
        wanted.finish(throwing: end)
        over.finish(throwing: end)
    }

    // MARK: PeerConnection

    package var path: PathReport { base.path }

    package var carriesManyStreams: Bool { true }

    /// Those of the base connection; but the round trip is that to the peer, also through a proxy.
    package var statistics: CarrierStatistics {
        var statistics = base.statistics
        statistics.roundTripTime = link.roundTripTime ?? statistics.roundTripTime
        return statistics
    }

    package func openStream(contentName: String) async throws -> any ByteStream {
        let stream: BufferedByteStream
        switch role {
        case .client: stream = try await open(.ownStream)
        case .server: stream = try await requestStream()
        }
        do {
            try await stream.writeHeader(contentName: contentName, pool: pool)
        } catch {
            stream.reset(code: 0)
            throw error
        }
        return stream
    }

    package func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        let accepted = try await core.accepted.next()
        return (accepted.contentName, accepted.stream)
    }

    /// Limits the one stream that carries all of them.
    package func limitSending(to limit: RateLimit?) async { await base.limitSending(to: limit) }

    /// With a code other than 0 the base connection is aborted with it.
    package func close(code: UInt64) async {
        if code == 0 {
            // What was written before has to get out first.
            link.end()
            _ = try? await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                group.addTask { try await self.waitUntilClosed() }
                group.addTask { try await Task.sleep(for: Self.closingLimit) }
                try await group.next()
            }
        }
        await base.close(code: code)
    }

    package func waitUntilClosed() async throws {
        do {
            try await over.next()
        } catch is ByteStreamError {
            return
        }
    }

    // MARK: Streams

    private func open(_ purpose: MultiplexedPurpose) async throws -> BufferedByteStream {
        do {
            return try await link.open(purpose, pool: pool)
        } catch {
            throw ByteStreamError.closed("the connection is over")
        }
    }

    /// Asks the client for a stream, unless it has opened one that nobody wanted any more.
    private func requestStream() async throws -> BufferedByteStream {
        if let stream = core.requested.takeNow() { return stream }
        guard wanted.put(()) else { throw ByteStreamError.closed("too many streams are being opened") }
        return try await core.requested.next()
    }

    /// Asks the client for as many streams as are wanted.
    private func sendRequests() async throws {
        let stream = try await core.requests.next()
        while true {
            try await wanted.next()
            let block = pool.take()
            block.storage[0] = 0
            block.count = 1
            try await stream.write(block)
        }
    }

    /// Opens as many streams as the server asks for.
    private func followRequests() async throws {
        let stream = try await open(.requests)
        while let block = try await stream.read() {
            for _ in 0..<block.count {
                let opened = try await open(.requestedStream)
                guard core.take(opened, for: .ownStream) else {
                    throw ByteStreamError.closed("the peer asks for too many streams")
                }
            }
        }
    }

    /// Reads the header of each stream that the peer opens, each in its own time.
    private func welcomeStreams() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            while true {
                let stream = try await core.unread.next()
                group.addTask {
                    let name = try? await stream.readHeader(pool: self.pool)
                    self.core.noteHeaderRead()
                    guard let name, self.core.accepted.put(.init(contentName: name, stream: stream)) else {
                        return stream.reset(code: 0)
                    }
                }
            }
        }
    }
}
