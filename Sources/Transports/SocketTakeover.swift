import Glibc
import ICE
import Synchronization

/// Decides when packets can go past the ICE agent: when the socket of a selected pair can be taken out of it, or, if the
/// pair's end is a relay of ours, be shared with it.
///
/// The agent must have chosen its final pair. Beyond that the controlled side of a pair without our relay stays for as long
/// as the peer may repeat the check that nominates the pair, in case our answer to it was lost: nobody answers once the
/// agent is gone.
final class SocketTakeover: Sendable {
    /// For how many round trips the controlled side stays, and for how long at most.
    private static let roundTripCount = 20
    private static let maximumDelay = Duration.seconds(1.5)

    private let isControlling: Bool
    private let readySince = Mutex<ContinuousClock.Instant?>(nil)

    init(isControlling: Bool) {
        self.isControlling = isControlling
    }

    /// Notes that the agent has chosen its final pair.
    func noteReady() {
        readySince.withLock { $0 = $0 ?? .now }
    }

    /// Goes past the agent if it is time to.
    func attempt(_ agent: ICEAgent, _ roundTripTime: Duration) -> DatagramPathTakeover {
        switch agent.state {
        case .failed, .closed: return .never
        case .idle, .gathering, .connecting, .connected: return .later
        case .ready: break
        }
        guard let readySince = readySince.withLock({ $0 }) else { return .later }
        if case .relayed(let side, _)? = agent.selectedPair?.path, side != .remote { return shareSocket(of: agent) }
        let delay = isControlling ? .zero : min(roundTripTime * Self.roundTripCount, Self.maximumDelay)
        guard readySince.duration(to: .now) >= delay else { return .later }
        guard let socket = agent.takeOverSocket(), let path = SocketDatagramPath(socket) else { return .never }
        return .done(path)
    }

    /// The agent stays, to look after the relay.
    private func shareSocket(of agent: ICEAgent) -> DatagramPathTakeover {
        guard let route = agent.relayRoute(), let path = RelayedDatagramPath(route, close: { agent.close() }) else {
            return .never
        }
        agent.deliverReceived()
        agent.setReceiveHandler { _ in }
        return .done(path)
    }
}

extension SocketDatagramPath {
    /// Goes on with the socket of a selected pair.
    convenience init?(_ socket: ICESocket) {
        let descriptor = fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { return nil }
        var remote = socket.remote
        let address = withUnsafeBytes(of: &remote) { bytes in
            SocketAddress(UnsafeRawBufferPointer(rebasing: bytes[..<Int(socket.remoteByteCount)]))
        }
        self.init(descriptor: descriptor, remote: address)
    }
}
