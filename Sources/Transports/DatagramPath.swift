/// A way for packets to one peer and back: a socket, or libnice's agent.
///
/// The thread that drives the connection is the only one to call `send`, `receive` and `takeOver`.
public protocol DatagramPath: AnyObject, Sendable {
    /// Whether a relay carries the packets, so that their size must not grow as far as on a direct path.
    var isRelayed: Bool { get }

    /// A descriptor that is readable while packets wait.
    var readinessDescriptor: CInt { get }

    /// Whether the descriptor is writable when `send` will take more. Otherwise `send` is tried again soon.
    var signalsWritability: Bool { get }

    /// Sends packets of `segmentByteCount` bytes each, the last may be shorter.
    ///
    /// - Returns: the bytes taken, whole packets only, less than given when there is no room now. Packets that can
    ///   never be sent count as taken: they are lost, as on any network.
    func send(_ batch: UnsafeRawBufferPointer, segmentByteCount: Int) -> Int

    /// Why nothing can be sent any more, as part of a sentence; `nil` as long as that is not known.
    var loss: String? { get }

    /// Hands over packets that have arrived, one call each; the bytes are good during that call.
    ///
    /// - Returns: whether more may be waiting already.
    func receive(_ deliver: (UnsafeRawBufferPointer) -> Void) -> Bool

    /// Goes past the agent, once the peer is authenticated; may block for some milliseconds. When it has returned a path,
    /// the packets that arrived before can still be received from this one, none are added later, and only the new one is
    /// to be closed.
    ///
    /// - Parameter roundTripTime: what the connection has measured so far.
    func takeOver(roundTripTime: Duration) -> DatagramPathTakeover

    /// Ends the path; the last call.
    func close()
}

extension DatagramPath {
    /// Nothing: only silence tells.
    public var loss: String? { nil }
}

/// What became of a request to go past the agent.
public enum DatagramPathTakeover: Sendable {
    /// Go on with this path.
    case done(any DatagramPath)
    /// Stay with the old path for now, and ask again soon.
    case later
    /// Stay with the old path for good.
    case never
}
