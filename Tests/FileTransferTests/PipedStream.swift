import Transports

/// A stream in memory that holds few blocks, so that whoever writes waits for whoever reads.
final class PipedStream: ByteStream {
    private final class Direction: Sendable {
        private static let blockCount = 4
        let blocks = Mailbox<Block?>(limit: blockCount + 1)
        let room = Mailbox<Void>(limit: blockCount)

        init() { for _ in 0..<Self.blockCount { room.put(()) } }
    }

    private let incoming: Direction
    private let outgoing: Direction

    private init(_ incoming: Direction, _ outgoing: Direction) {
        self.incoming = incoming
        self.outgoing = outgoing
    }

    static func pair() -> (PipedStream, PipedStream) {
        let (one, other) = (Direction(), Direction())
        return (PipedStream(one, other), PipedStream(other, one))
    }

    var unacknowledgedByteCount: Int { 0 }

    func read() async throws -> Block? {
        guard let block = try await incoming.blocks.next() else {
            incoming.blocks.put(nil)
            return nil
        }
        incoming.room.put(())
        return block
    }

    func write(_ block: Block) async throws {
        try await outgoing.room.next()
        outgoing.blocks.put(block)
    }

    func flush() async throws {}
    func finish() async throws { outgoing.blocks.put(nil) }

    func reset(code: UInt64) {
        incoming.blocks.put(nil)
        outgoing.blocks.put(nil)
    }
}
