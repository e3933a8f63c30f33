internal import CLinux
internal import Glibc
internal import NIOCore

/// The TCP socket of a channel, for what NIO does not offer. On the channel's event loop only.
struct TCPSocket {
    /// What TCP knows of a connection.
    struct State {
        var statistics: CarrierStatistics
        var minimumRoundTripTime: Duration
        /// For how long nothing has come while an answer is due.
        var unansweredFor: Duration?
    }

    private let context: ChannelHandlerContext

    init(_ context: ChannelHandlerContext) { self.context = context }

    /// Sends nothing late, and lets the kernel probe a silent peer.
    func prepare(silenceLimit: Duration) {
        _ = withDescriptor { sleigh_tcp_prepare($0, UInt32(clamping: silenceLimit.components.seconds)) }
    }

    /// What TCP knows of the connection; `nil` when it is closed.
    var state: State? {
        var state = sleigh_tcp_state()
        guard withDescriptor({ sleigh_tcp_state($0, &state) }) == 0 else { return nil }
        // A peer whose window is closed answers probes, though ever more rarely.
        let isUnanswered = state.unacknowledged > 0 || state.probes > 1
        var statistics = CarrierStatistics()
        statistics.roundTripTime = .microseconds(Int64(state.round_trip_us))
        statistics.sentPacketCount = UInt64(state.sent_segments)
        statistics.repeatedPacketCount = UInt64(state.repeated_segments)
        return State(
            statistics: statistics,
            minimumRoundTripTime: .microseconds(Int64(state.minimum_round_trip_us)),
            unansweredFor: isUnanswered ? .milliseconds(Int64(state.silence_ms)) : nil)
    }

    /// The bytes written that the peer's TCP has not acknowledged; `nil` when the connection is closed.
    var unacknowledgedByteCount: Int? { withDescriptor { sleigh_tcp_unacknowledged($0) }.map { max(0, Int($0)) } }

    /// Tells of input only when there is that much at once, or it ends.
    func awaitInput(byteCount: Int) {
        _ = withDescriptor { descriptor in
            var value = CInt(clamping: byteCount)
            return setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &value, socklen_t(MemoryLayout<CInt>.size))
        }
    }

    /// Sends FIN. Not through NIO, which would close the whole connection as soon as the peer ends its direction too.
    func endOutput() { _ = withDescriptor { shutdown($0, CInt(SHUT_WR)) } }

    /// Makes the next close abort the connection.
    func abortOnClose() { _ = withDescriptor { sleigh_tcp_abort_on_close($0) } }

    /// Calls with the descriptor, unless the channel is closed.
    private func withDescriptor(_ body: (CInt) -> CInt) -> CInt? {
        guard context.channel.isActive else { return nil }
        return try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self, body)
    }
}
