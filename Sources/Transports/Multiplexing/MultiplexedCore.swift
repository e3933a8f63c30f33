internal import Synchronization

/// What the streams of a ``MultiplexedConnection`` and its tasks hand to each other.
final class MultiplexedCore: Sendable {
    /// A stream that the peer has opened, with the name in its header.
    struct Accepted: Sendable {
        var contentName: String
        var stream: BufferedByteStream
    }

    /// Streams that the peer has opened, until somebody accepts them.
    let accepted = Handover<Accepted>(limit: MultiplexedConnection.streamLimit)
    /// At the server: streams that the client has opened since it was asked to.
    let requested = Handover<BufferedByteStream>(limit: MultiplexedConnection.streamLimit)
    /// At the server: the stream on which the client is asked for streams.
    let requests = Handover<BufferedByteStream>(limit: 1)
    private let hasRequests = Mutex(false)
    private let unreadCount = Mutex(0)
    /// Streams whose header is to be read.
    let unread = Handover<BufferedByteStream>(limit: MultiplexedConnection.streamLimit)

    /// Takes a stream, whose first bytes the peer writes unless it was asked for; `false` when it is not wanted.
    func take(_ stream: BufferedByteStream, for purpose: MultiplexedPurpose) -> Bool {
        switch purpose {
        case .ownStream:
            let hasRoom = unreadCount.withLock { count in
                guard count < MultiplexedConnection.streamLimit else { return false }
                count += 1
                return true
            }
            return hasRoom && unread.put(stream)
        case .requestedStream: return requested.put(stream)
        case .requests:
            let isFirst = hasRequests.withLock { has in
                defer { has = true }
                return !has
            }
            return isFirst && requests.put(stream)
        }
    }

    /// The header of a stream is read, or never will be.
    func noteHeaderRead() { unreadCount.withLock { $0 -= 1 } }

    /// Nothing will be handed over any more.
    func finish(_ error: ByteStreamError) {
        accepted.finish(throwing: error)
        requested.finish(throwing: error)
        requests.finish(throwing: error)
        unread.finish(throwing: error)
    }
}
