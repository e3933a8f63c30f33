internal import Synchronization

/// One direction between two streams that are joined.
final class StreamDirection: Sendable {
    /// How copying a direction is over.
    enum End: Sendable {
        /// The source has ended, and the sink has everything.
        case complete
        /// The source gives no more, although it has not ended.
        case sourceFailed(ByteStreamError)
        /// The sink takes no more.
        case sinkFailed(ByteStreamError)

        /// Why it is not complete.
        var error: ByteStreamError? {
            switch self {
            case .complete: nil
            case .sourceFailed(let error), .sinkFailed(let error): error
            }
        }
    }

    private let source: any ByteStream
    private let sink: any ByteStream
    private let count = Atomic<UInt64>(0)

    init(from source: any ByteStream, to sink: any ByteStream) {
        self.source = source
        self.sink = sink
    }

    /// How many bytes were copied.
    var copiedByteCount: UInt64 { count.load(ordering: .relaxed) }

    /// Changes with every byte that gets on.
    var progress: [Int] { [Int(clamping: copiedByteCount), sink.unacknowledgedByteCount] }

    /// Copies until the end, which the sink gets too.
    ///
    /// - Throws: `CancellationError`.
    func copy() async throws -> End {
        while true {
            let block: Block?
            do {
                block = try await source.read()
            } catch let error as ByteStreamError {
                return .sourceFailed(error)
            }
            do {
                guard let block else {
                    try await sink.finish()
                    return .complete
                }
                try await sink.write(block)
                count.add(UInt64(block.count), ordering: .relaxed)
            } catch let error as ByteStreamError {
                return .sinkFailed(error)
            }
        }
    }

    /// Waits until the sink has what was copied, or never will.
    ///
    /// - Throws: `CancellationError`.
    func flush() async throws {
        do { try await sink.flush() } catch is ByteStreamError {}
    }

    /// Reads what the sink does not take, until the source gives no more.
    ///
    /// - Throws: `CancellationError`.
    func discard() async throws {
        do { while try await source.read() != nil {} } catch is ByteStreamError {}
    }
}
