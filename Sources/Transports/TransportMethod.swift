// XEP-0166 § 2: a transport method is what establishes data streams between two parties.
public import Jingle
public import SecureChannels

/// One transport method, negotiated for one content by one side.
///
/// Order of use: ``run()`` in a child task, then ``localDescription()`` for the offer or answer, ``receive(_:)`` for
/// everything the peer signals, ``nextTransportInfo()`` in a loop for what is to be signalled later, and ``connect()`` or
/// ``acceptStream()`` once the peer's description is there. Every wait has a limit of its own. End with ``close()``.
public protocol TransportMethod: AnyObject, Sendable {
    /// The fingerprint the peer signalled, once it has; a connection authenticates the peer by it.
    var peerFingerprint: Fingerprint? { get }

    /// Does what the method does in the background, until it is closed.
    func run() async

    /// Our side for the offer or answer. For an answer, the peer's offer must have been received before.
    func localDescription() async -> ContentTransport

    /// Takes what the peer signals: its offer or answer, or a transport-info.
    ///
    /// - Throws: `TransportFailure.unusableDescription`.
    func receive(_ remote: ContentTransport) throws(TransportFailure)

    /// Waits for what is to be signalled in a transport-info; `nil` when there will be no more.
    func nextTransportInfo() async -> ContentTransport?

    /// Connects, for the side that opens the stream.
    ///
    /// - Throws: `TransportFailure`, `CancellationError`.
    func connect() async throws -> any PeerConnection

    /// Connects, and waits for the peer to open the stream.
    ///
    /// - Throws: `TransportFailure`, `ByteStreamError`, `CancellationError`.
    func acceptStream() async throws -> AcceptedStream

    /// Why there is no connection yet, as far as is known here; one sentence each. For when the peer gives the method up
    /// before this side does.
    func obstacles() async -> [String]

    /// Ends the search for paths; the connection that was chosen goes on. Safe to call more than once.
    func close()
}

/// A stream the peer has opened, and what it belongs to. The name comes from the peer.
public typealias AcceptedStream = (connection: any PeerConnection, contentName: String, stream: any ByteStream)

/// Why a transport method gives no connection.
public enum TransportFailure: Error, Sendable, Hashable {
    /// What the peer signalled cannot be used.
    case unusableDescription(String)
    /// The peer, which can encrypt, signalled no fingerprint; perhaps somebody on the way took it out.
    case noFingerprint
    /// No packet got through; the reasons we know, one sentence each.
    case noPath([String])
    /// The peer presented another certificate than the one signalled, or refused ours.
    case peerNotAuthenticated
    /// The method cannot be used here, or was closed.
    case unavailable(String)
    /// The peer is connected but opens no stream.
    case noStream
}
