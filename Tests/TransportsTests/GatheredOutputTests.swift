import CLinux
import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Transports

/// What waits for a socket is bounded in number too, not only in bytes.
struct GatheredOutputTests {
    private let pool = BlockPool(blockByteCount: 64 << 10)

    @Test func smallPiecesMakeFewWrites() throws {
        var output = GatheredOutput()
        var pieces: [ByteBuffer] = []
        for number in 0..<200_000 {
            withUnsafeBytes(of: UInt8(truncatingIfNeeded: number)) { output.add($0) }
            if let piece = output.takePiece(onlyLarge: true) ?? output.takePiece() { pieces.append(piece) }
        }
        // The first byte, and then only large ones, as none is written.
        #expect(pieces.map(\.readableBytes) == [1, 65_536, 65_536, 65_536])
        for _ in pieces {
            let more = output.takePiece()
            #expect(more == nil)
            output.noteWritten()
        }
        let rest = output.takePiece()
        let last = try #require(rest)
        #expect(!output.isEmpty)
        output.noteWritten()
        #expect(output.isEmpty)
        let content = (pieces + [last]).flatMap { Array($0.readableBytesView) }
        #expect(content == (0..<200_000).map { UInt8(truncatingIfNeeded: $0) })
    }

    /// A program that does not read, and a peer that sends byte after byte.
    @Test func socketHasFewPendingWrites() async throws {
        let hold = HeldWrites()
        var ends: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { close(ends[1]) }
        let stream = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .withConnectedSocket(ends[0]) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(hold)
                    return try SocketStream.takeOver(channel, budget: BlockBudget())
                }
            }
        let byteCount = 100_000
        for _ in 0..<byteCount {
            let block = pool.take()
            block.storage[0] = 7
            block.count = 1
            try await stream.write(block)
        }
        // Whatever the tasks have written by now, it comes in order before this.
        let held = try await stream.channel.eventLoop.submit { hold.byteCounts }.get()
        #expect(stream.unacknowledgedByteCount == byteCount)
        #expect(held.reduce(0, +) <= byteCount)
        #expect(held.count <= byteCount / GatheredOutput.pieceByteCount + 1)
        stream.reset(code: 0)
    }
}

/// Takes all writes and finishes none, as a socket whose other end reads nothing.
private final class HeldWrites: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = ByteBuffer

    private let held = Mutex<[(byteCount: Int, promise: EventLoopPromise<Void>?)]>([])

    var byteCounts: [Int] { held.withLock { $0.map(\.byteCount) } }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let byteCount = unwrapOutboundIn(data).readableBytes
        held.withLock { $0.append((byteCount, promise)) }
    }

    func flush(context: ChannelHandlerContext) {}

    func handlerRemoved(context: ChannelHandlerContext) {
        let promises = held.withLock { held in
            defer { held = [] }
            return held.map(\.promise)
        }
        for promise in promises { promise?.fail(ChannelError.ioOnClosedChannel) }
    }
}
