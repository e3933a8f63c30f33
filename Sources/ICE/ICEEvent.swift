/// What an ``ICEAgent`` reports.
public enum ICEEvent: Sendable, Hashable {
    /// A local candidate to signal to the peer now (trickle ICE).
    case candidate(ICECandidate)
    /// No further local candidate will come.
    case gatheringDone
    /// The state changed.
    case stateChanged(ICEState)
    /// The checks are over and datagrams can be sent; the same as state ``ICEState/ready``, with the pair.
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
    /// A pair works, better ones are still being checked.
    case connected
    /// The final pair is chosen.
    case ready
    /// No pair works.
    case failed
    /// The agent was closed, or its socket taken over.
    case closed
}
