/// What an ``ICEAgent`` reports.
public enum ICEEvent: Sendable, Hashable {
    /// A local candidate to signal to the peer now (trickle ICE).
    case candidate(ICECandidate)
    /// No further local candidate will come.
    case gatheringDone
    /// The state changed.
    case stateChanged(ICEState)
    /// Datagrams travel by this pair from now on. Comes before ``ICEState/connected``, and again when a better pair
    /// takes over or more is known of the obstacles; final with ``ICEState/ready``.
    case selectedPair(ICESelectedPair)
    /// No path was found; the reasons we know.
    case failed([ICEObstacle])
}

/// How far an ``ICEAgent`` has come.
public enum ICEState: Sendable, Hashable {
    /// Nothing has been started.
    case idle
    /// Local candidates are being gathered.
    case gathering
    /// Pairs are being checked.
    case connecting
    /// A pair works and carries datagrams; better ones are still being checked, which takes seconds behind a NAT.
    case connected
    /// The final pair is chosen.
    case ready
    /// No pair works.
    case failed
    /// The agent was closed, or its socket taken over.
    case closed
}
