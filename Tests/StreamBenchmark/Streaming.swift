import Transports

/// Blocks to send in turn: 64 MiB, so that the source does not sit in a cache as no file would.
func makeBlocks(_ pool: BlockPool) -> [Block] {
    (0..<256).map { number in
        let block = pool.take()
        for index in block.storage.indices { block.storage[index] = UInt8(truncatingIfNeeded: index &* 31 &+ number) }
        block.count = block.capacity
        return block
    }
}

/// Writes about as many bytes, ends the direction, and returns how many it were.
func send(_ byteCount: Int, _ blocks: [Block], on stream: any ByteStream) async throws -> Int {
    var sent = 0
    var next = 0
    while sent < byteCount {
        let block = blocks[next % blocks.count]
        next += 1
        try await stream.write(block)
        sent += block.count
    }
    try await stream.finish()
    return sent
}

/// Reads to the end, and returns how many bytes it were.
func receive(from stream: any ByteStream) async throws -> Int {
    var received = 0
    while let block = try await stream.read() { received += block.count }
    return received
}
