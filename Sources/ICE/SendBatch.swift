internal import CNice

/// The vectors for one call into libnice, allocated once; sends only while open.
struct SendBatch: ~Copyable, @unchecked Sendable {
    // @unchecked: owns its vectors, and keeps no pointer of the caller's beyond a call.

    /// Packets for one `sendmmsg`.
    private static let capacity = 64

    private let vectors: UnsafeMutablePointer<GOutputVector>
    private let messages: UnsafeMutablePointer<NiceOutputMessage>
    private var isOpen = true

    init() {
        vectors = .allocate(capacity: Self.capacity)
        messages = .allocate(capacity: Self.capacity)
        for index in 0..<Self.capacity {
            vectors.advanced(by: index).initialize(to: GOutputVector())
            messages.advanced(by: index).initialize(
                to: NiceOutputMessage(buffers: vectors.advanced(by: index), n_buffers: 1))
        }
    }

    deinit {
        messages.deallocate()
        vectors.deallocate()
    }

    /// Refuses further sends; false if that was so already.
    mutating func close() -> Bool {
        defer { isOpen = false }
        return isOpen
    }

    /// Sends separate packets; how many were accepted, or `nil` if closed.
    func send(
        _ packets: UnsafeBufferPointer<UnsafeRawBufferPointer>, agent: OpaquePointer, stream: guint
    ) -> Int? {
        guard isOpen else { return nil }
        var accepted = 0
        while accepted < packets.count {
            let count = min(Self.capacity, packets.count - accepted)
            for index in 0..<count {
                let packet = packets[accepted + index]
                vectors[index].buffer = packet.baseAddress
                vectors[index].size = gsize(packet.count)
            }
            let sent = flush(count, agent: agent, stream: stream)
            accepted += sent
            if sent == 0 { break }
        }
        return accepted
    }

    /// Sends one run of bytes as packets of equal size, the last may be shorter; how many packets were accepted.
    func send(
        _ bytes: UnsafeRawBufferPointer, segmentByteCount: Int, agent: OpaquePointer, stream: guint
    ) -> Int? {
        guard isOpen else { return nil }
        guard let start = bytes.baseAddress, segmentByteCount > 0 else { return 0 }
        let total = (bytes.count + segmentByteCount - 1) / segmentByteCount
        var accepted = 0
        while accepted < total {
            let count = min(Self.capacity, total - accepted)
            for index in 0..<count {
                let offset = (accepted + index) * segmentByteCount
                vectors[index].buffer = start + offset
                vectors[index].size = gsize(min(segmentByteCount, bytes.count - offset))
            }
            let sent = flush(count, agent: agent, stream: stream)
            accepted += sent
            if sent == 0 { break }
        }
        return accepted
    }

    /// Hands the first vectors over; 0 if the socket is full or no pair is selected.
    private func flush(_ count: Int, agent: OpaquePointer, stream: guint) -> Int {
        var error: UnsafeMutablePointer<GError>?
        let sent = nice_agent_send_messages_nonblocking(agent, stream, 1, messages, guint(count), nil, &error)
        guard sent < 0, let error else { return Int(sent) }
        defer { g_error_free(error) }
        let wouldBlock = g_error_matches(error, g_io_error_quark(), gint(G_IO_ERROR_WOULD_BLOCK.rawValue)) != 0
        // Any other error (no route, message too long) costs one packet, as if the network had lost it.
        return wouldBlock ? 0 : 1
    }
}
