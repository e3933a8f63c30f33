internal import CNGTCP2

extension quic_settings {
    /// The settings of one side, with every number within the library's limits.
    init(_ options: QUICOptions, role: QUICRole, now: UInt64) {
        self.init()
        is_server = role == .server ? 1 : 0
        congestion_control =
            switch options.congestionControl {
            case .cubic: quic_cubic
            case .bbr: quic_bbr
            case .bbr2: quic_bbr2
            }
        self.now = now
        initial_rtt = options.initialRTT?.nanoseconds ?? 0
        handshake_timeout = options.handshakeTimeout.nanoseconds
        idle_timeout = options.idleTimeout.nanoseconds
        stream_window = UInt64(max(options.streamWindowByteCount, 1 << 16))
        connection_window = max(
            UInt64(max(options.connectionWindowByteCount, 1 << 16)), stream_window)
        stream_count = UInt64(max(options.peerStreamCount, 0))
        ack_threshold = max(options.acknowledgementThreshold, 1)
        payload_size = min(max(options.payloadByteCount, 1200), 1452)
        discovers_mtu = options.discoversMTU ? 1 : 0
    }
}
