internal import CLinux
internal import Glibc
package import ICE

/// A path through our own TURN server, past libnice: batches in both directions, as on a socket of our own.
///
/// Packets go out as Send indications, of which the kernel makes many from one call. A second socket on the address of
/// libnice's receives what the server relays, and is sent from; libnice still gets the server's answers to its own
/// requests, and so keeps the relayed address, the permission and the channel alive.
package final class RelayedDatagramPath: DatagramPath, @unchecked Sendable {
    // @unchecked: owns a descriptor and buffers used only by the thread that drives the connection.

    /// Whether a relay carries the packets: always.
    package var isRelayed: Bool { true }
    /// Readable while packets wait, writable while there is room.
    package let readinessDescriptor: CInt
    /// The kernel says when there is room.
    package var signalsWritability: Bool { true }

    /// Every packet costs a message, as the server sends them one by one.
    private static let receiveCount: CInt = 64
    /// What the kernel takes in one call, in messages and in bytes.
    private static let maximumSegmentCount = 64
    private static let maximumByteCount = 65_000

    private let server: UnsafeMutableRawBufferPointer
    private let receiver: DatagramReceiver
    private let indication: SendIndication
    private let closePath: @Sendable () -> Void
    private var cutsInKernel: Bool

    /// Two headers, that of all packets of a batch and that of the last, each after as many zeros as pad what is before it.
    private let headers: UnsafeMutableRawBufferPointer
    private let headerSpace: Int
    private let vectors: UnsafeMutableBufferPointer<iovec>

    /// Begins to receive past the agent.
    ///
    /// - Parameters:
    ///   - route: the way to the server.
    ///   - cutsInKernel: whether to try `UDP_SEGMENT`.
    ///   - close: ends the agent, with which the relayed address goes.
    /// - Returns: `nil` when the system refuses; nothing has changed then.
    package init?(_ route: ICERelayRoute, cutsInKernel: Bool = true, close: @escaping @Sendable () -> Void) {
        guard let receiver = DatagramReceiver(capacity: Self.receiveCount) else { return nil }
        let descriptor = relay_socket_open(route.socket.descriptor)
        guard descriptor >= 0 else { return nil }
        _ = datagram_prepare(descriptor, 4 << 20)
        readinessDescriptor = descriptor
        self.receiver = receiver
        self.cutsInKernel = cutsInKernel
        closePath = close
        let server = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(route.socket.remoteByteCount), alignment: 8)
        withUnsafeBytes(of: route.socket.remote) { server.copyMemory(from: .init(rebasing: $0[..<server.count])) }
        self.server = server
        var random = SystemRandomNumberGenerator()
        indication = SendIndication(peer: route.peer, transaction: (random.next(), random.next()))
        headerSpace = SendIndication.alignment + indication.headerByteCount
        headers = .allocate(byteCount: 2 * headerSpace, alignment: 8)
        headers.initializeMemory(as: UInt8.self, repeating: 0)
        vectors = .allocate(capacity: 2 * Self.maximumSegmentCount + 1)
        vectors.initialize(repeating: iovec())
    }

    deinit {
        Glibc.close(readinessDescriptor)
        server.deallocate()
        headers.deallocate()
        vectors.deallocate()
    }

    /// Sends as many packets a call as the kernel takes.
    package func send(_ batch: UnsafeRawBufferPointer, segmentByteCount: Int) -> Int {
        var offset = 0
        while offset < batch.count {
            let fitting = Self.maximumByteCount / indication.messageByteCount(for: segmentByteCount)
            let count = cutsInKernel ? max(1, min(fitting, Self.maximumSegmentCount)) : 1
            let end = min(offset + count * segmentByteCount, batch.count)
            let packets = UnsafeRawBufferPointer(rebasing: batch[offset..<end])
            let status = sendAtOnce(packets, segmentByteCount: min(segmentByteCount, packets.count))
            if SocketDatagramPath.isBusy(status) { return offset }
            // EIO: the device cannot checksum; EINVAL, EMSGSIZE: no support, or larger than the path's MTU.
            if packets.count > segmentByteCount, [-CLong(EIO), -CLong(EINVAL), -CLong(EMSGSIZE)].contains(status) {
                cutsInKernel = false
            } else {
                offset = end
            }
        }
        return batch.count
    }

    /// Hands over what the server has relayed.
    package func receive(_ deliver: (UnsafeRawBufferPointer) -> Void) -> Bool {
        receiver.receive(from: readinessDescriptor) { message in
            if let content = RelayedData.content(of: message) { deliver(content) }
        }
    }

    /// Stays with the relay.
    package func takeOver(roundTripTime: Duration) -> DatagramPathTakeover { .never }

    /// Ends the agent; the descriptor is closed when nobody refers to the path any more.
    package func close() { closePath() }

    /// Sends packets of one size, of which the last may be shorter, in one call. Returns `-errno` on failure.
    private func sendAtOnce(_ packets: UnsafeRawBufferPointer, segmentByteCount: Int) -> CLong {
        guard let start = packets.baseAddress, let headerStart = headers.baseAddress else { return 0 }
        let count = (packets.count + segmentByteCount - 1) / segmentByteCount
        let lastByteCount = packets.count - (count - 1) * segmentByteCount
        let padding = SendIndication.paddingByteCount(after: segmentByteCount)
        writeHeader(0, for: segmentByteCount)
        if lastByteCount != segmentByteCount { writeHeader(1, for: lastByteCount) }
        for index in 0..<count {
            let isLast = index == count - 1
            let header = isLast && lastByteCount != segmentByteCount ? headerSpace : 0
            let paddingBefore = index == 0 ? 0 : padding
            vectors[2 * index] = iovec(
                iov_base: headerStart + (header + SendIndication.alignment - paddingBefore),
                iov_len: paddingBefore + indication.headerByteCount)
            vectors[2 * index + 1] = iovec(
                iov_base: UnsafeMutableRawPointer(mutating: start + index * segmentByteCount),
                iov_len: isLast ? lastByteCount : segmentByteCount)
        }
        vectors[2 * count] = iovec(
            iov_base: headerStart, iov_len: SendIndication.paddingByteCount(after: lastByteCount))
        let messageByteCount = indication.messageByteCount(for: segmentByteCount)
        return datagram_send_vectors(
            readinessDescriptor, server.baseAddress, socklen_t(server.count), vectors.baseAddress, 2 * count + 1,
            (count - 1) * messageByteCount + indication.messageByteCount(for: lastByteCount), messageByteCount)
    }

    private func writeHeader(_ place: Int, for byteCount: Int) {
        let start = place * headerSpace + SendIndication.alignment
        indication.writeHeader(for: byteCount, to: .init(rebasing: headers[start..<start + indication.headerByteCount]))
    }
}
