public import Jingle

/// Why a forward cannot be had.
public enum ForwardError: Error, Sendable, Hashable {
    /// Nothing can listen there on this host: what the system says.
    case cannotListen(ForwardAddress, String)
    /// The peer refuses to connect to that address, or to listen there.
    case refused(ForwardAddress, ForwardRefusal)
}
