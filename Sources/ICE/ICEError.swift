/// What goes wrong on our side of an ``ICEAgent``.
public enum ICEError: Error, Sendable, Hashable {
    /// A thread could not be started.
    case noThread
    /// The library could not create an agent.
    case noAgent
    /// The agent is closed, or its socket taken over.
    case closed
    /// The connection to our TURN server over TCP is gone, and with it the selected pair.
    case relayLost
    /// The peer's user-name fragment or password was refused.
    case badCredentials
}
