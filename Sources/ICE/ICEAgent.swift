/// Finds a UDP path to one peer (RFC 8445, trickle: RFC 8838) and sends datagrams over it.
///
/// Order of use: read ``localCredentials`` and signal them, call ``gather()``, signal every candidate that ``events``
/// gives, and hand over what the peer signals. From the state ``ICEState/connected`` on, ``send(_:)`` and the receive
/// handler carry datagrams, whichever pair is selected; once both sides are ``ICEState/ready`` a direct pair can be
/// taken over with ``takeOverSocket()``. All methods may be called from any thread and, where not said otherwise, do not wait.
///
/// The agent is torn down by ``close()``, or when the last reference goes.
public final class ICEAgent: Sendable {
    private let core: AgentCore

    /// Creates an agent that does nothing yet.
    ///
    /// - Throws: ``ICEError/noAgent``.
    public init(loop: ICELoop, role: ICERole, configuration: ICEConfiguration) throws(ICEError) {
        core = try AgentCore(loop: loop, role: role, configuration: configuration)
    }

    deinit { core.close() }

    /// Our user-name fragment and password, to be signalled.
    public var localCredentials: ICECredentials { core.localCredentials }

    /// What happens, for one reader; ends when the agent is closed. Bounded: about 500 unread events are kept.
    public var events: AsyncStream<ICEEvent> { core.events }

    /// How far the agent has come.
    public var state: ICEState { core.state }

    /// The pair in use, from the state ``ICEState/connected`` on; final in ``ICEState/ready``.
    public var selectedPair: ICESelectedPair? { core.selectedPair }

    /// Starts gathering; host candidates come at once, the others as the servers answer.
    public func gather() {
        core.loop.perform { [core] in core.gather() }
    }

    /// Sets the peer's user-name fragment and password.
    public func setRemote(_ credentials: ICECredentials) {
        core.loop.perform { [core] in core.setRemote(credentials) }
    }

    /// Checks further candidates of the peer.
    ///
    /// Duplicates, loopback addresses and all beyond ``ICEConfiguration/maximumRemoteCandidateCount`` are ignored.
    public func add(_ candidates: [ICECandidate]) {
        core.loop.perform { [core] in core.add(candidates) }
    }

    /// Tells that the peer has no more candidates, which starts the limit ``ICEConfiguration/checkingLimit``.
    ///
    /// Without it a path that cannot be found is never reported as failed. A peer that does not trickle has no more
    /// after its first.
    public func remoteGatheringDone() {
        core.loop.perform { [core] in core.finishRemoteGathering() }
    }

    /// Sets what takes the datagrams, on the loop's thread; it must not block, and the bytes are good during the call.
    ///
    /// The first up to 64 datagrams that came before are delivered first.
    public func setReceiveHandler(_ handler: @escaping @Sendable (UnsafeRawBufferPointer) -> Void) {
        core.loop.perform { [core] in core.setReceiveHandler(handler) }
    }

    /// Sets what is called, on the loop's thread, when the connection to a TURN server over TCP takes packets again.
    ///
    /// For UDP there is no such call: a full socket buffer drains within a millisecond, so try again after one.
    public func setWritableHandler(_ handler: @escaping @Sendable () -> Void) {
        core.loop.perform { [core] in core.setWritableHandler(handler) }
    }

    /// Sends datagrams, up to 64 in one system call on a path without our own relay.
    ///
    /// - Returns: how many of the first packets were accepted; fewer than given means that the socket is full (see
    ///   ``setWritableHandler(_:)``) or that no pair is selected yet. An accepted packet may still be lost.
    /// - Throws: ``ICEError/closed``, ``ICEError/relayLost``.
    public func send(_ packets: UnsafeBufferPointer<UnsafeRawBufferPointer>) throws(ICEError) -> Int {
        try core.send(packets)
    }

    /// Sends one run of bytes as datagrams of equal size, of which the last may be shorter.
    ///
    /// - Returns: how many of the first datagrams were accepted, as for ``send(_:)``.
    /// - Throws: ``ICEError/closed``, ``ICEError/relayLost``.
    public func send(_ bytes: UnsafeRawBufferPointer, segmentByteCount: Int) throws(ICEError) -> Int {
        try core.send(bytes, segmentByteCount: segmentByteCount)
    }

    /// Takes the selected pair's socket out of the agent and closes the agent.
    ///
    /// When this returns, the receive handler has had every datagram that the agent had read and will have no more;
    /// the others are in the socket. Waits for the loop's thread, which takes well under a millisecond: hold no lock
    /// that the receive handler takes. On the loop's thread it does not wait.
    ///
    /// Call it only after the peer is known to be ready too, because nobody answers the peer's checks afterwards. Both
    /// sides become ready up to some seconds apart, and a QUIC handshake may be over before.
    ///
    /// - Returns: the socket, or `nil` if the agent is not ready, or if our end of the pair is a relay: then the
    ///   agent goes on as before.
    public func takeOverSocket() -> ICESocket? {
        let taken = core.loop.performAndWait { [core] in core.takeOverSocket() }
        return taken.map { ICESocket(descriptor: $0.descriptor, remote: $0.remote) }
    }

    /// What is in the way of a path, if none has been found by now; none once the agent is closed.
    package var obstacles: [ICEObstacle] {
        get async {
            await withCheckedContinuation { continuation in
                core.loop.perform { [core] in
                    continuation.resume(returning: core.isOpen ? core.obstacles(wantsRelay: true) : [])
                }
            }
        }
    }

    /// How the datagrams of the selected pair travel to our TURN server and back, for whoever wants to send and receive
    /// them without the agent, which goes on looking after the relayed address. Waits for the loop's thread.
    ///
    /// - Returns: `nil` unless the agent is ready and our end of the pair is a relay over UDP.
    public func relayRoute() -> ICERelayRoute? {
        let route = core.loop.performAndWait { [core] in core.relayRoute() }
        return route.map {
            ICERelayRoute(socket: ICESocket(descriptor: $0.descriptor, remote: $0.server), peer: $0.peer)
        }
    }

    /// Returns when the receive handler has had every datagram that was in the agent's sockets before. Hold no lock that
    /// the handler takes.
    public func deliverReceived() {
        // The loop may come to the first of these before it comes to the sockets.
        for _ in 0..<2 { core.loop.performAndWait {} }
    }

    /// Whether a server that was asked has not answered in time; good once gathering is done. Waits for the loop's
    /// thread.
    var isSomebodySilent: Bool { core.loop.performAndWait { [core] in core.isSomebodySilent } }

    /// Begins the teardown: no handler is called and nothing can be sent afterwards, and TURN allocations are given
    /// back in the background.
    ///
    /// A handler that is running on the loop's thread at this moment still ends.
    public func close() {
        core.close()
    }

    /// Closes the agent and returns when it is freed: after an answer of the TURN servers, if there are any, or two
    /// seconds without.
    public func closeAndWait() async {
        core.close()
        await core.waitUntilFreed()
    }
}
