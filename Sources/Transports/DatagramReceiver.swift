internal import CLinux

/// Buffers for the datagrams that a socket holds, several calls' worth of them in one (`recvmmsg`, `UDP_GRO`).
///
/// For one thread at a time.
final class DatagramReceiver: @unchecked Sendable {
    // @unchecked: owns buffers used only by the thread that drives the connection.

    /// What one datagram, or a group of them, may have.
    private static let byteCount = 65_536

    private let receiver: UnsafeMutablePointer<datagram_receiver>
    private let capacity: CInt

    /// Creates the buffers.
    ///
    /// - Parameter capacity: how many messages one call takes, at most 64; each holds many datagrams if the kernel has put
    ///   them together.
    /// - Returns: `nil` when there is no memory.
    init?(capacity: CInt) {
        guard let receiver = datagram_receiver_new(CUnsignedInt(capacity), Self.byteCount) else { return nil }
        self.receiver = receiver
        self.capacity = capacity
    }

    deinit { datagram_receiver_free(receiver) }

    /// Hands over what the kernel holds, one datagram a call; the bytes are good during that call.
    ///
    /// - Returns: whether more may be waiting.
    func receive(from descriptor: CInt, _ deliver: (UnsafeRawBufferPointer) -> Void) -> Bool {
        let count = datagram_receive(receiver, descriptor)
        guard count > 0 else { return false }
        for index in 0..<count {
            let length = datagram_received_length(receiver, index)
            let segment = max(datagram_received_segment(receiver, index), 1)
            let bytes = UnsafeRawBufferPointer(start: datagram_received_bytes(receiver, index), count: length)
            var offset = 0
            while offset < length {
                let end = min(offset + segment, length)
                deliver(UnsafeRawBufferPointer(rebasing: bytes[offset..<end]))
                offset = end
            }
        }
        return count == capacity
    }
}
