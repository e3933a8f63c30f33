internal import CLinux
internal import Glibc
internal import Synchronization

/// Where packets go: a socket address of any family.
public struct SocketAddress: Sendable, Hashable {
    /// The `sockaddr` as the kernel takes it.
    public let bytes: [UInt8]

    /// Copies a `sockaddr`.
    public init(_ address: UnsafeRawBufferPointer) { bytes = Array(address) }

    /// The address family.
    var family: CInt {
        bytes.withUnsafeBytes { $0.count >= 2 ? CInt($0.loadUnaligned(as: sa_family_t.self)) : AF_UNSPEC }
    }
}

/// A UDP socket of our own, with batches in both directions (`UDP_SEGMENT`, `UDP_GRO`).
///
/// Packets are taken from any address, since QUIC authenticates them, and sent to the one ICE selected.
public final class SocketDatagramPath: DatagramPath, @unchecked Sendable {
    // @unchecked: owns a descriptor and an address used only by the thread that drives the connection.

    /// Whether a relay carries the packets: never.
    public var isRelayed: Bool { false }
    /// The socket.
    public var readinessDescriptor: CInt { descriptor }
    /// The kernel says when there is room.
    public var signalsWritability: Bool { true }

    /// How many messages one call takes.
    private static let receiveCount: CInt = 16

    private let descriptor: CInt
    private let remote: UnsafeMutableRawBufferPointer
    private let receiver: DatagramReceiver
    private var cutsInKernel: Bool

    /// Takes ownership of a bound UDP socket.
    ///
    /// - Parameters:
    ///   - descriptor: the socket; closed with the path.
    ///   - remote: where to send.
    ///   - cutsInKernel: whether to try `UDP_SEGMENT`.
    /// - Returns: `nil` when there is no memory.
    public init?(descriptor: CInt, remote: SocketAddress, cutsInKernel: Bool = true) {
        guard let receiver = DatagramReceiver(capacity: Self.receiveCount) else { return nil }
        self.receiver = receiver
        self.descriptor = descriptor
        self.cutsInKernel = cutsInKernel
        self.remote = .allocate(byteCount: remote.bytes.count, alignment: 8)
        self.remote.copyBytes(from: remote.bytes)
        _ = datagram_prepare(descriptor, 4 << 20)
        datagram_forbid_fragments(descriptor, remote.family)
    }

    deinit {
        Glibc.close(descriptor)
        remote.deallocate()
    }

    /// Sends in one call if the kernel cuts, in as few as possible if not.
    public func send(_ batch: UnsafeRawBufferPointer, segmentByteCount: Int) -> Int {
        let remoteByteCount = socklen_t(remote.count)
        if cutsInKernel || batch.count <= segmentByteCount {
            let taken = datagram_send_segments(
                descriptor, remote.baseAddress, remoteByteCount, batch.baseAddress, batch.count, segmentByteCount)
            if taken >= 0 { return batch.count }
            if Self.isBusy(taken) { return 0 }
            // EIO: the device cannot checksum; EINVAL: no support, or larger than the path's MTU.
            guard batch.count > segmentByteCount, taken == -CLong(EIO) || taken == -CLong(EINVAL) else {
                return batch.count
            }
        }
        let taken = datagram_send_each(
            descriptor, remote.baseAddress, remoteByteCount, batch.baseAddress, batch.count, segmentByteCount)
        if taken >= 0 {
            cutsInKernel = cutsInKernel && taken == 0
            return Int(taken)
        }
        return Self.isBusy(taken) ? 0 : batch.count
    }

    /// Hands over what the kernel holds, up to 1 MiB.
    public func receive(_ deliver: (UnsafeRawBufferPointer) -> Void) -> Bool {
        receiver.receive(from: descriptor, deliver)
    }

    /// Is the socket already.
    public func takeOver(roundTripTime: Duration) -> DatagramPathTakeover { .never }

    /// The descriptor is closed when nobody refers to the path any more.
    public func close() {}

    /// Whether a socket call failed for want of room, so that it is to be tried again.
    static func isBusy(_ status: CLong) -> Bool {
        status == -CLong(EAGAIN) || status == -CLong(ENOBUFS) || status == -CLong(EINTR)
    }
}
