internal import Jingle

extension ContinuedConnection {
    /// The streams, by their numbers.
    struct Table {
        /// A stream of the peer's.
        private struct Known {
            var stream: ContinuedStream
            /// With the how manieth connection it came.
            var connectionCount: Int
            var isCarried = true
        }

        private(set) var own: [UInt64: ContinuedStream] = [:]
        /// How many of ours there have been.
        private(set) var openedCount: UInt64 = 0
        private var peers: [UInt64: Known] = [:]
        /// How many connections there have been.
        private(set) var connectionCount = 0
        /// Takes the numbers of those of ours that the connection does not carry yet.
        private(set) var unattached: Handover<UInt64>?
        /// Why there is no further connection.
        var end: ByteStreamError?
        private var forgottenByteCount: Int64 = 0
        /// Ends when a stream is forgotten.
        private var change: Handover<Void>?

        var streams: [ContinuedStream] { Array(own.values) + peers.values.map(\.stream) }
        var arrivedByteCount: Int64 { streams.reduce(forgottenByteCount) { $0 + $1.arrivedByteCount } }

        /// Another connection begins. Returns the numbers of the streams that are to go on over it; `nil` for the first.
        mutating func begin(_ unattached: Handover<UInt64>) -> [UInt64]? {
            connectionCount += 1
            self.unattached = unattached
            own = own.filter { !$0.value.isStillborn }
            let listed = own.keys.sorted()
            for number in listed { unattached.put(number) }
            return connectionCount > 1 ? listed : nil
        }

        /// The connection is over.
        mutating func endConnection() { unattached = nil }

        // MARK: Streams of ours

        mutating func open(_ stream: ContinuedStream, number: UInt64) {
            openedCount += 1
            own[number] = stream
            unattached?.put(number)
        }

        mutating func forget(own number: UInt64) {
            forget(own.removeValue(forKey: number))
        }

        // MARK: Streams of the peer

        /// A known stream, to be carried; `nil` if there is none with that number.
        ///
        /// - Throws: when it is being carried.
        mutating func take(_ number: UInt64) throws(StreamFrameError) -> ContinuedStream? {
            guard let known = peers[number] else { return nil }
            guard !known.isCarried else { throw StreamFrameError("a stream twice") }
            peers[number]?.isCarried = true
            return known.stream
        }

        /// Adds a stream, which is carried; `false` if there is one of that number, or as many as there may be.
        mutating func add(_ stream: ContinuedStream, _ number: UInt64, limit: Int) -> Bool {
            guard end == nil, peers.count < limit, peers[number] == nil else { return false }
            peers[number] = Known(stream: stream, connectionCount: connectionCount)
            return true
        }

        /// A stream is carried no more, and forgotten if it is over.
        mutating func release(_ number: UInt64, isOver: Bool) {
            if isOver { forget(peers.removeValue(forKey: number)?.stream) } else { peers[number]?.isCarried = false }
        }

        /// Forgets the streams of earlier connections with which the peer does not go on.
        mutating func forgetStreams(notIn numbers: Set<UInt64>) -> [ContinuedStream] {
            let unlisted = peers.filter { number, known in
                known.connectionCount < connectionCount && !known.isCarried && !numbers.contains(number)
            }
            for number in unlisted.keys { release(number, isOver: true) }
            return unlisted.values.map(\.stream)
        }

        // MARK: What changes

        /// What to wait for while a stream is over here, of which the peer may not know yet; `nil` when there is none.
        mutating func waitForSettling() -> Handover<Void>? {
            guard streams.contains(where: \.isOver) else { return nil }
            let change = self.change ?? Handover(limit: 0)
            self.change = change
            return change
        }

        private mutating func forget(_ stream: ContinuedStream?) {
            guard let stream else { return }
            forgottenByteCount += stream.arrivedByteCount
            change?.finish(throwing: ByteStreamError.closed("it has changed"))
            change = nil
        }
    }
}
