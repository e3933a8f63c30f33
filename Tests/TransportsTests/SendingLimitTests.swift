import Jingle
import SecureChannels
import Testing

@testable import Transports

/// Limits on what a connection sends and takes, with the real clock: what may be said of it under any load is how long it
/// takes at least.
@Suite struct SendingLimitTests {
    @Test func quicKeepsToTheLimit() async throws {
        let pair = try await ChannelPair.connect()
        let stream = try await pair.client.openStream(contentName: "limited")
        let answer = try await pair.server.acceptStream().stream
        try await expectLimit(on: stream, to: answer) { limit in
            pair.client.limitSending(bytesPerSecond: limit?.bytesPerSecond)
        }
    }

    /// As bytes, and in TLS.
    @Test(arguments: [false, true]) func inBandKeepsToTheLimit(isEncrypted: Bool) async throws {
        let pair = try await InBandPair(certificates: (isEncrypted, isEncrypted))
        try await pair.negotiate()
        async let accepted = pair.second.acceptStream()
        let connection = try await pair.first.connect()
        let stream = try await connection.openStream(contentName: "pipe")
        try await expectLimit(on: stream, to: try await accepted.stream) { await connection.limitSending(to: $0) }
        await pair.stop()
    }

    /// A reader that is held to a rate gets all the bytes, in that time.
    @Test func readersShareThePace() async throws {
        let pair = try await ChannelPair.connect()
        let pace = ReadingPace(try #require(RateLimit(bytesPerSecond: 4_000_000)))
        let content = numbered(600_000, salt: 9)
        let started = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                let stream = try await pair.client.openStream(contentName: "read")
                let answer = ReadingPace.Stream(try await pair.server.acceptStream().stream, pace)
                group.addTask {
                    try await stream.writeAll(content, pool: BlockPool()); try await stream.finish()
                }
                group.addTask {
                    let received = try await answer.readAll()
                    #expect(received == content)
                }
            }
            try await group.waitForAll()
        }
        // Both ends may be one block ahead, and a quarter of a second's worth is there for the taking.
        #expect(ContinuousClock.now - started > .seconds(Double(1_200_000 - 2 * 262_144) / 4_080_000 - 0.25))
    }
}

/// Sends under a limit and without, and expects that it takes the time, and that the bytes are the same.
func expectLimit(
    on stream: any ByteStream, to receiver: any ByteStream, sourceLocation: SourceLocation = #_sourceLocation,
    limit: (RateLimit?) async throws -> Void
) async throws {
    let rate: UInt64 = 4_000_000
    let content = numbered(1_500_000, salt: 8)
    try await limit(RateLimit(bytesPerSecond: rate))
    let started = ContinuousClock.now
    async let received = receiver.read(content.count)
    try await stream.writeAll(content, pool: BlockPool())
    let first = try await received
    #expect(first == content, sourceLocation: sourceLocation)
    // 50 ms worth is kept for a sender that wakes late, and a portion or a packet may go ahead of its time.
    let least = Double(content.count - 4 * 8192) / Double(rate) - 0.05
    #expect(ContinuousClock.now - started > .seconds(least), sourceLocation: sourceLocation)
    // What the last limit holds back for minutes goes as soon as it is lifted.
    let more = numbered(200_000, salt: 10)
    try await limit(RateLimit(bytesPerSecond: 1000))
    try await stream.writeAll(more, pool: BlockPool())
    async let rest = receiver.read(more.count)
    try await limit(nil)
    let second = try await rest
    #expect(second == more, sourceLocation: sourceLocation)
}

extension ByteStream {
    /// Reads so many bytes, or what there is to the end.
    fileprivate func read(_ byteCount: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < byteCount, let block = try await read() { bytes += block.bytes }
        return bytes
    }
}
