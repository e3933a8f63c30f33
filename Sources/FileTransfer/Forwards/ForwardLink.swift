// Wire/Forward.md § Opening a stream.
import Jingle
import Transports
import XMPP

/// Where either side opens a stream for each forwarded connection.
struct ForwardLink: Sendable {
    /// How many streams a peer may have open.
    static let streamLimit = 256
    /// How long a request may take to arrive, and its reply.
    private static let requestTimeout = Duration.seconds(10)
    private static let replyTimeout = Duration.seconds(30)
    /// The code with which a stream is reset whose connection broke off.
    static let brokenCode = StreamErrorCode.cancelled.rawValue

    let exchange: any StreamExchange
    let contentName: String
    let peer: JID
    let blocks: BlockPool

    /// A stream that the peer has accepted, and what came with the acceptance.
    struct Opened: Sendable {
        var stream: any ByteStream
        var port: UInt16
        var first: Block?
    }

    /// Opens a stream and waits for the reply.
    ///
    /// - Throws: ``ForwardRefused``, `ByteStreamError`, `CancellationError`.
    func open(_ request: ForwardRequest) async throws -> Opened {
        let opened = try await within(Self.replyTimeout) {
            let stream = try await exchange.openStream(contentName: contentName)
            do {
                try await stream.write(blocks.take(filledWith: request.bytes))
                return try await receiveReply(on: stream)
            } catch {
                stream.reset(code: Self.brokenCode)
                throw error
            }
        }
        guard let opened else { throw ForwardRefused(reason: .unreachable) }
        return opened
    }

    /// Serves every stream that the peer opens, until the connection is over and what has come is written.
    ///
    /// - Throws: `ByteStreamError`, `CancellationError`.
    func serveStreams(_ serve: @escaping @Sendable (any ByteStream) async -> Void) async throws {
        let end: ByteStreamError = try await withThrowingDiscardingTaskGroup { group in
            while true {
                let stream: any ByteStream
                do {
                    stream = try await exchange.acceptStream().stream
                } catch let error as ByteStreamError {
                    return error
                }
                group.addTask { await serve(stream) }
            }
        }
        throw end
    }

    private func receiveReply(on stream: any ByteStream) async throws -> Opened {
        var bytes: [UInt8] = []
        while let block = try await stream.read() {
            let needed = ForwardReply.byteCount - bytes.count
            bytes += block.bytes.prefix(needed)
            guard bytes.count == ForwardReply.byteCount else { continue }
            switch ForwardReply((bytes[0], bytes[1], bytes[2])) {
            case .refused(let reason): throw ForwardRefused(reason: reason)
            case .accepted(let port):
                let rest = block.bytes.dropFirst(needed)
                return Opened(stream: stream, port: port, first: rest.isEmpty ? nil : blocks.take(filledWith: rest))
            }
        }
        throw ByteStreamError.closed("the peer ended the stream without a reply")
    }

    /// Reads what the peer wants of a stream it has opened; `nil` when that is nothing known here, or does not come.
    func receiveRequest(on stream: any ByteStream) async throws -> ForwardRequest? {
        let request = try await within(Self.requestTimeout) { () -> ForwardRequest? in
            var bytes: [UInt8] = []
            while let block = try await stream.read() {
                bytes += block.bytes.prefix(ForwardRequest.byteCount + 1)
                switch ForwardRequest.read(bytes) {
                case .incomplete: continue
                case .malformed: return nil
                case .request(let request): return request
                }
            }
            return nil
        }
        return request ?? nil
    }

    /// Replies to a request.
    func reply(_ reply: ForwardReply, on stream: any ByteStream) async throws {
        try await stream.write(blocks.take(filledWith: reply.bytes))
    }

    /// Refuses a request; the stream is over, also when the peer does not take the reply.
    func refuse(_ reason: ForwardRefusal, _ stream: any ByteStream) async throws {
        let isTold: Void? = try await within(Self.replyTimeout) {
            try await reply(.refused(reason), on: stream)
            try await stream.finish()
        }
        if isTold == nil { stream.reset(code: Self.brokenCode) }
    }
}

/// The peer has refused a stream.
struct ForwardRefused: Error {
    var reason: ForwardRefusal
}
