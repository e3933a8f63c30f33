// Wire/Stream-Continuation.md § Many streams: streams over several connections in turn.
internal import Jingle
internal import Synchronization

/// Streams between two peers that outlive the connection that carries them: over the next one each goes on, and nothing of
/// it is lost.
///
/// They are carried while ``carry(over:contentName:)`` runs. In between they can be used, and opened, and wait.
package final class ContinuedConnection: StreamExchange {
    /// Which of the two peers this is.
    package enum Side: UInt64, Sendable {
        /// The one that offered the session.
        case initiator = 1
        /// The one that accepted it.
        case responder = 2
    }

    /// How many streams of either peer are known at a time; no more than a list may have.
    private static let streamLimit = 512
    /// How much of what was written to a stream is kept until the peer has it.
    private static let capacity = 16 << 20
    /// What a window of bytes takes on its way through both processes, which is more than the path takes on a LAN.
    private static let leastInterval = Duration.milliseconds(20)
    /// How long the streams of a connection that is over may take to note it, and how long a stream may be without a carrier
    /// while the connection lives.
    private static let drainingLimit = Duration.seconds(3)
    private static let patience = Duration.seconds(10)
    /// With which codes a carrier is aborted.
    private static let unknownCode = StreamErrorCode.cancelled.rawValue
    private static let nonsenseCode = StreamErrorCode.notAsNegotiated.rawValue

    private let side: Side
    private let pool: BlockPool
    private let frames = FrameBlocks()
    private let delay = AcknowledgementDelay()
    private let allowance: WindowAllowance
    private let carrier: Carrier
    private let accepted = Handover<Accepted>(limit: streamLimit)
    private let table = Mutex(Table())

    /// A stream that the peer has opened.
    private struct Accepted: Sendable {
        var contentName: String
        var stream: ContinuedStream
    }

    /// The connection that is carrying.
    private final class Carrier: Sendable {
        let connection = Mutex<(any PeerConnection)?>(nil)
        var roundTripTime: Duration? { connection.withLock { $0 }?.statistics.roundTripTime }
    }

    /// Creates a connection that is not carried yet.
    ///
    /// - Parameter pool: blocks for what comes in small pieces.
    package init(_ side: Side, pool: BlockPool) {
        let carrier = Carrier()
        self.side = side
        self.pool = pool
        self.carrier = carrier
        allowance = WindowAllowance(leastInterval: Self.leastInterval) { carrier.roundTripTime }
    }

    private func makeStream() -> ContinuedStream {
        ContinuedStream(
            capacity: Self.capacity, window: ReceiveWindow(of: Int(StreamFrame.initialWindow), within: allowance),
            pool: pool, frames: frames, delay: delay)
    }

    // MARK: StreamExchange

    package func openStream(contentName: String) async throws -> any ByteStream {
        let stream = makeStream()
        try table.withLock { table throws(ByteStreamError) in
            if let end = table.end { throw end }
            guard table.own.count < Self.streamLimit else { throw .closed("too many streams are open") }
            table.open(stream, number: side.rawValue + 2 * table.openedCount)
        }
        return stream
    }

    package func acceptStream() async throws -> (contentName: String, stream: any ByteStream) {
        let accepted = try await accepted.next()
        return (accepted.contentName, accepted.stream)
    }

    /// How many bytes of all streams, in both directions, have arrived as far as it is known here.
    package var arrivedByteCount: Int64 { table.withLock { $0.arrivedByteCount } }

    /// Ends everything: no connection follows. What has come can still be read.
    package func finish(throwing error: ByteStreamError) {
        let streams = table.withLock { table in
            if table.end == nil { table.end = error }
            return table.streams
        }
        for stream in streams { stream.fail(error) }
        accepted.finish(throwing: error)
    }

    /// Waits until the peer knows of each stream that is over here. When no connection follows, that is never.
    ///
    /// - Throws: `CancellationError`.
    package func settle() async throws {
        while let change = table.withLock({ $0.waitForSettling() }) {
            do { try await change.next() } catch is ByteStreamError {}
        }
    }

    // MARK: Carriers

    /// Carries the streams over a connection until that is over. For one connection at a time.
    ///
    /// - Parameter contentName: whose streams they are.
    /// - Throws: `ByteStreamError` that the connection ended with, `CancellationError`.
    package func carry(over connection: any PeerConnection, contentName: String) async throws {
        let unattached = Handover<UInt64>(limit: .max)
        let listed = table.withLock { $0.begin(unattached) }
        carrier.connection.withLock { $0 = connection }
        defer {
            carrier.connection.withLock { $0 = nil }
            table.withLock { $0.endConnection() }
        }
        delay.open()
        defer { delay.close() }
        let over = Handover<Void>(limit: 0)
        // First, lest it wait for the end of one of them: the peer permits only so many streams.
        let list = listed == nil ? nil : try? await connection.openStream(contentName: contentName)
        try await withThrowingTaskGroup(of: ByteStreamError?.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await self.delay.run()
                return nil
            }
            group.addTask {
                if let list, let listed { await self.send(listed, on: list) }
                return nil
            }
            group.addTask {
                await self.attachStreams(unattached, to: connection, contentName, until: over)
                return nil
            }
            group.addTask {
                let end = try await self.welcomeStreams(of: connection, until: over)
                unattached.finish(throwing: end)
                return nil
            }
            group.addTask {
                do {
                    try await over.next()
                } catch let error as ByteStreamError {
                    try await Task.sleep(for: Self.drainingLimit)
                    return error
                }
                return nil
            }
            var missingCount = 3
            while missingCount > 0, case nil? = try await group.next() { missingCount -= 1 }
        }
        try await over.next()
    }

    /// Tells the peer with which streams of ours we go on.
    private func send(_ listed: [UInt64], on stream: any ByteStream) async {
        do {
            try await stream.write(pool.take(filledWith: StreamAttachment.list(listed).bytes))
            try await stream.finish()
        } catch {
            // The connection is over; the next one has a list too.
        }
    }

    // MARK: Streams of ours

    private func attachStreams(
        _ unattached: Handover<UInt64>, to connection: any PeerConnection, _ contentName: String,
        until over: Handover<Void>
    ) async {
        await withDiscardingTaskGroup { group in
            while let number = try? await unattached.next() {
                group.addTask { await self.attach(number, to: connection, contentName, until: over) }
            }
        }
    }

    private func attach(
        _ number: UInt64, to connection: any PeerConnection, _ contentName: String, until over: Handover<Void>
    ) async {
        guard let stream = table.withLock({ $0.own[number] }) else { return }
        let isDone = await carry(stream, until: over) {
            let carrier = try await connection.openStream(contentName: contentName)
            let attachment = stream.isKnownToPeer ? StreamAttachment.again(number) : .first(number)
            try await carrier.write(frames.block(attachment.bytes))
            try await stream.carry(over: carrier, after: nil)
        }
        if isDone { table.withLock { $0.forget(own: number) } }
    }

    /// Carries a stream, until that is over or the connection. Returns whether it is the stream.
    private func carry(
        _ stream: ContinuedStream, until over: Handover<Void>, _ body: () async throws -> Void
    ) async -> Bool {
        do {
            do {
                try await body()
                return true
            } catch let error as ByteStreamError where error.isLoss {
                // All of the connection is gone, or else there is no way for this stream.
                try await within(Self.patience) { try await over.next() }
                stream.fail(error)
            }
        } catch {
            // The stream knows what it failed with; it has not when the connection is over.
        }
        return stream.hasFailed
    }

    // MARK: Streams of the peer

    /// - Returns: what the connection ended with.
    private func welcomeStreams(
        of connection: any PeerConnection, until over: Handover<Void>
    ) async throws -> ByteStreamError {
        try await withThrowingDiscardingTaskGroup { group in
            while true {
                do {
                    let (contentName, stream) = try await connection.acceptStream()
                    group.addTask { await self.welcome(stream, contentName, until: over) }
                } catch let error as ByteStreamError {
                    over.finish(throwing: error)
                    return error
                }
            }
        }
    }

    private func welcome(_ carrier: any ByteStream, _ contentName: String, until over: Handover<Void>) async {
        do {
            let (attachment, leftover) = try await Self.attachment(of: carrier)
            switch attachment {
            case .list(let numbers):
                for stream in table.withLock({ $0.forgetStreams(notIn: Set(numbers)) }) {
                    stream.fail(.reset(code: Self.unknownCode))
                }
                try await carrier.finish()
            case .first(let number), .again(let number):
                guard number > 0, number % 2 != side.rawValue % 2 else { throw StreamFrameError("a stream of ours") }
                var mayBeNew = false
                if case .first = attachment { mayBeNew = true }
                guard let stream = try stream(number, mayBeNew: mayBeNew, contentName) else {
                    return carrier.reset(code: Self.unknownCode)
                }
                let isDone = await carry(stream, until: over) {
                    try await stream.carry(over: carrier, after: leftover)
                }
                table.withLock { $0.release(number, isOver: isDone) }
            }
        } catch is StreamFrameError {
            carrier.reset(code: Self.nonsenseCode)
        } catch {
            // The connection is over, or the peer has aborted what nobody knows.
        }
    }

    /// The stream of the peer's with that number, to be carried; `nil` if it is not known, or there are too many.
    private func stream(
        _ number: UInt64, mayBeNew: Bool, _ contentName: String
    ) throws(StreamFrameError) -> ContinuedStream? {
        let known = try table.withLock { table throws(StreamFrameError) in try table.take(number) }
        guard known == nil, mayBeNew else { return known }
        let stream = makeStream()
        let isKept = table.withLock { $0.add(stream, number, limit: Self.streamLimit) }
        guard isKept, accepted.put(Accepted(contentName: contentName, stream: stream)) else {
            if isKept { table.withLock { $0.release(number, isOver: true) } }
            return nil
        }
        return stream
    }

    /// Reads what comes first on a stream, and what else has come with it.
    private static func attachment(of carrier: any ByteStream) async throws -> (StreamAttachment, Leftover?) {
        var parser = StreamAttachmentParser()
        while let block = try await carrier.read() {
            var rest = block.bytes
            guard let attachment = try parser.next(&rest) else { continue }
            return (
                attachment, rest.isEmpty ? nil : Leftover(block.part(block.count - rest.count..<block.count))
            )
        }
        throw StreamFrameError("no number")
    }
}
