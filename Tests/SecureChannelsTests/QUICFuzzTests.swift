import TestSupport
import Testing

@testable import SecureChannels

/// Anybody can send packets to the port: whatever they hold must not trap.
@Suite struct QUICFuzzTests {
    /// Mutates packets of a running connection, at every stage from the first on.
    @Test(arguments: UInt64(0)..<8) func mutatedPacketsNeverTrap(seed: UInt64) throws {
        var generator = SeededRandom(seed: seed)
        let link = try QUICLink(QUICLink.Condition(delay: 1_000_000), seed: seed)
        var injected: [(Bool, [UInt8])] = []
        link.filter = { toServer, packet in
            for _ in 0..<8 { injected.append((toServer, mutate(packet, &generator))) }
            return true
        }
        let isEstablished = link.run(seconds: 30) {
            for (toServer, packet) in injected { link.inject(packet, toServer: toServer) }
            injected.removeAll()
            return link.client.isEstablished && link.server.isEstablished
                || link.client.closeReason != nil || link.server.closeReason != nil
        }
        #expect(isEstablished)
        guard let stream = link.client.connection.openStream() else { return }
        let content = pattern(300_000, seed: seed)
        link.client.write(content, to: stream)
        link.client.connection.end(stream)
        // Once the keys are known only to both ends, nothing a stranger sends may change anything.
        #expect(
            link.run(seconds: 60) {
                for (toServer, packet) in injected { link.inject(packet, toServer: toServer) }
                injected.removeAll()
                return link.server.ended == [0]
            })
        #expect(link.server.received[0] == content)
    }

    /// First packets of a stranger to a waiting server.
    @Test func mutatedFirstPacketsNeverTrap() throws {
        var generator = SeededRandom(seed: 99)
        var first: [UInt8] = []
        let source = try QUICLink()
        source.filter = { toServer, packet in
            if toServer, first.isEmpty { first = packet }
            return false
        }
        source.run(seconds: 0.1)
        #expect(first.count >= 1200)
        let alice = try QUICLink.alice.get()
        let bob = try QUICLink.bob.get()
        for _ in 0..<400 {
            let server = QUICEnd(
                try QUICConnection(
                    role: .server, certificate: bob, peerFingerprint: alice.fingerprint, options: QUICOptions(),
                    now: 0))
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
            defer { buffer.deallocate() }
            for time in 1...4 {
                let packet = mutate(first, &generator)
                packet.withUnsafeBytes { server.connection.receive($0, now: UInt64(time)) }
                server.takeEvents()
                while server.connection.send(into: buffer, now: UInt64(time)).byteCount > 0 {}
            }
            #expect(!server.isEstablished)
        }
    }
}

private func mutate(_ packet: [UInt8], _ generator: inout SeededRandom) -> [UInt8] {
    var packet = packet
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
        guard !packet.isEmpty else { return packet }
        // Headers matter most.
        let reach = Bool.random(using: &generator) ? min(packet.count, 40) : packet.count
        let index = Int.random(in: 0..<reach, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: packet[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: packet[index] = UInt8.random(in: 0...255, using: &generator)
        case 2: packet.removeLast(Int.random(in: 0...packet.count, using: &generator))
        case 3: packet.insert(contentsOf: pattern(Int.random(in: 1...64, using: &generator)), at: index)
        default: packet.remove(at: index)
        }
    }
    return packet
}
