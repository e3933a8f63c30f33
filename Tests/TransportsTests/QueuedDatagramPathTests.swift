import CLinux
import Glibc
import Testing
import Transports

@Suite struct QueuedDatagramPathTests {
    private func makePath() throws -> QueuedDatagramPath {
        let path = QueuedDatagramPath(isRelayed: false, capacity: 16, send: { batch, _ in batch.count })
        return try #require(path)
    }

    @Test func keepsOrderAndDropsWhatDoesNotFit() throws {
        let path = try makePath()
        func isReadable() -> Bool {
            var waiting = pollfd(fd: path.readinessDescriptor, events: CShort(POLLIN), revents: 0)
            return poll(&waiting, 1, 0) == 1
        }
        for round in 0..<5 {
            #expect(!isReadable())
            for index in UInt8(0)..<20 { [index, UInt8(round)].withUnsafeBytes { path.deliver($0) } }
            [UInt8](repeating: 0, count: 2049).withUnsafeBytes { path.deliver($0) }
            #expect(isReadable())
            var received: [UInt8] = []
            #expect(!path.receive { received.append($0[0]) })
            #expect(received == Array(0..<16))
        }
    }

    @Test func packetsThatComeWhileReceivingAreNotForgotten() throws {
        let path = try makePath()
        [1].withUnsafeBytes { path.deliver($0) }
        let more = path.receive { _ in [2 as UInt8].withUnsafeBytes { path.deliver($0) } }
        #expect(more)
        var waiting = pollfd(fd: path.readinessDescriptor, events: CShort(POLLIN), revents: 0)
        #expect(poll(&waiting, 1, 0) == 1)
        var received: [UInt8] = []
        _ = path.receive { received.append($0[0]) }
        #expect(received == [2])
    }
}
