import SecureChannels
import TestSupport
import Testing

/// Both ends of a TLS connection between devices, in memory.
@Suite struct TLSPeerEngineTests {
    private static let one = Result { try DeviceCertificate.generate() }
    private static let other = Result { try DeviceCertificate.generate() }
    private static let stranger = Result { try DeviceCertificate.generate() }

    /// Two engines and the bytes on their way.
    private final class Pair {
        let client: TLSPeerEngine
        let server: TLSPeerEngine
        var clientError: TLSError?
        var serverError: TLSError?

        init(
            clientExpects: Fingerprint? = nil, serverExpects: Fingerprint? = nil, keyUpdateByteCount: UInt64 = 1 << 40
        ) throws {
            let (one, other) = (try TLSPeerEngineTests.one.get(), try TLSPeerEngineTests.other.get())
            client = try TLSPeerEngine(
                role: .client, certificate: one, peerFingerprint: clientExpects ?? other.fingerprint,
                keyUpdateByteCount: keyUpdateByteCount)
            server = try TLSPeerEngine(
                role: .server, certificate: other, peerFingerprint: serverExpects ?? one.fingerprint,
                keyUpdateByteCount: keyUpdateByteCount)
        }

        /// Carries bytes both ways, `pieceByteCount` at a time, until there are none.
        func exchange(pieceByteCount: Int = .max) {
            while client.outputByteCount > 0 || server.outputByteCount > 0 {
                carry(from: client, to: server, pieceByteCount, &serverError)
                carry(from: server, to: client, pieceByteCount, &clientError)
            }
        }

        private func carry(
            from: TLSPeerEngine, to: TLSPeerEngine, _ pieceByteCount: Int, _ error: inout TLSError?
        ) {
            let bytes = from.output()
            for start in stride(from: 0, to: bytes.count, by: min(pieceByteCount, max(bytes.count, 1))) {
                do {
                    try to.take(Array(bytes[start...].prefix(pieceByteCount)))
                    if to.state == .established { try to.peek() }
                } catch let thrown {
                    if error == nil { error = thrown as? TLSError }
                }
            }
        }
    }

    @Test(arguments: [Int.max, 1000, 1])
    func carriesDataBothWays(pieceByteCount: Int) throws {
        let pair = try Pair()
        pair.exchange(pieceByteCount: pieceByteCount)
        #expect(pair.client.state == .established)
        #expect(pair.server.state == .established)
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
            try from.send(bytes)
            try to.take(from.output())
            #expect(try to.readAll() == bytes)
        }
    }

    /// Encrypts into memory that is lent, with room or without, and decrypts from it, whole or in pieces.
    @Test(arguments: [0, 20_000, 70_000, 400_000], [Int.max, 9_000, 1])
    func usesLentMemory(roomByteCount: Int, pieceByteCount: Int) throws {
        let pair = try Pair(keyUpdateByteCount: 250_000)
        pair.exchange()
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 5) }
        for _ in 0..<3 {
            var room = [UInt8](repeating: 0, count: roomByteCount)
            let count = try room.withUnsafeMutableBytes { room in
                try bytes.withUnsafeBytes { try pair.client.send($0, into: room) }
            }
            #expect(count <= TLSPeerEngine.encryptedByteCount(of: bytes.count))
            #expect((pair.client.outputByteCount == 0) == (roomByteCount > bytes.count))
            let encrypted = room.prefix(count) + pair.client.output()
            var received: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 30_000)
            for start in stride(from: 0, to: encrypted.count, by: min(pieceByteCount, encrypted.count)) {
                try Array(encrypted[start...].prefix(pieceByteCount)).withUnsafeBytes { piece in
                    var piece = piece
                    while true {
                        let count = try buffer.withUnsafeMutableBytes { try pair.server.read(from: &piece, into: $0) }
                        if count == 0 { break }
                        received += buffer.prefix(count)
                    }
                    #expect(piece.isEmpty)
                }
            }
            #expect(received == bytes)
        }
    }

    @Test func readsIntoSmallBuffers() throws {
        let pair = try Pair()
        pair.exchange()
        try pair.client.send(Array("some words".utf8))
        try pair.server.take(pair.client.output())
        #expect(String(decoding: try pair.server.readAll(bufferByteCount: 3), as: UTF8.self) == "some words")
    }

    /// The key is replaced many times on the way; both ends must agree on when.
    @Test func keysAreReplaced() throws {
        let pair = try Pair(keyUpdateByteCount: 50_000)
        pair.exchange()
        let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
        for _ in 0..<20 {
            try pair.client.send(bytes)
            try pair.server.take(pair.client.output())
            #expect(try pair.server.readAll() == bytes)
        }
    }

    @Test func eachDirectionEndsAlone() throws {
        let pair = try Pair()
        pair.exchange()
        try pair.client.send(Array("last".utf8))
        pair.client.close()
        try pair.server.take(pair.client.output())
        #expect(try pair.server.readAll() == Array("last".utf8))
        #expect(pair.server.state == .closedByPeer)
        try pair.server.endOfInput()
        try pair.server.send(Array("answer".utf8))
        pair.server.close()
        try pair.client.take(pair.server.output())
        #expect(try pair.client.readAll() == Array("answer".utf8))
        #expect(pair.client.state == .closedByPeer)
    }

    @Test func clientRefusesAnotherServer() throws {
        let pair = try Pair(clientExpects: try Self.stranger.get().fingerprint)
        pair.exchange()
        #expect(pair.clientError == .peerNotAuthenticated)
        #expect(pair.serverError == .refusedByPeer)
        #expect(pair.client.state == .failed)
        #expect(pair.server.state == .failed)
    }

    /// The client has finished its handshake before the server refuses it: it learns that from the alert.
    @Test func serverRefusesAnotherClient() throws {
        let pair = try Pair(serverExpects: try Self.stranger.get().fingerprint)
        pair.exchange()
        #expect(pair.serverError == .peerNotAuthenticated)
        #expect(pair.clientError == .refusedByPeer)
        #expect(pair.client.state == .failed)
        #expect(pair.server.state == .failed)
    }

    @Test func cutOffIsAnError() throws {
        let pair = try Pair()
        pair.exchange()
        try pair.client.send(Array("half".utf8))
        try pair.server.take(pair.client.output())
        #expect(try pair.server.readAll() == Array("half".utf8))
        #expect(throws: TLSError.truncated) { try pair.server.endOfInput() }
        #expect(pair.server.state == .failed)
    }

    @Test(arguments: [
        Array("GET / HTTP/1.1\r\n\r\n".utf8), [UInt8](repeating: 0, count: 64), [UInt8](repeating: 0xFF, count: 64),
        [22, 3, 1, 0, 4, 1, 0, 0, 0],
    ])
    func junkInPlaceOfAHandshake(junk: [UInt8]) throws {
        let pair = try Pair()
        #expect(throws: TLSError.self) { try pair.server.take(junk) }
        #expect(throws: TLSError.self) { try pair.client.take(junk) }
        #expect(pair.server.state == .failed)
        #expect(pair.client.state == .failed)
    }

    @Test func changedRecordIsAnError() throws {
        let pair = try Pair()
        pair.exchange()
        try pair.client.send(Array("some words".utf8))
        var record = pair.client.output()
        record[record.count - 1] ^= 1
        try pair.server.take(record)
        #expect(throws: TLSError.self) { try pair.server.readAll() }
        #expect(pair.server.state == .failed)
    }

    /// Whatever becomes of the bytes of a handshake, nobody is authenticated by it who should not be, and nothing traps.
    @Test func fuzz() throws {
        var random = SeededRandom(seed: 7)
        for round in 0..<400 {
            let pair = try Pair()
            var bytes = pair.client.output()
            if round % 2 == 1 {
                try pair.server.take(bytes)
                bytes = pair.server.output()
            }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            let target = round % 2 == 1 ? pair.client : pair.server
            _ = try? target.take(bytes)
            _ = try? target.readAll()
            #expect(round % 2 == 1 || target.state != .established)
        }
    }
}

extension TLSPeerEngine {
    fileprivate func take(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try receive($0) }
    }

    fileprivate func send(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try send($0) }
    }

    fileprivate func output() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: outputByteCount) { buffer, count in
            count = takeOutput(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// Looks for an alert where no data is expected.
    fileprivate func peek() throws {
        var buffer = [UInt8](repeating: 0, count: 16)
        _ = try buffer.withUnsafeMutableBytes { try read(into: $0) }
    }

    fileprivate func readAll(bufferByteCount: Int = 20_000) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: bufferByteCount)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try read(into: $0) }
            if count == 0 { return bytes }
            bytes += buffer.prefix(count)
        }
    }
}
