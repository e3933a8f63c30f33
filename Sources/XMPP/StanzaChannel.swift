public import XML

/// A logged-in XMPP stream, as seen by code that must send stanzas without knowing how they travel.
///
/// `Client` conforms with the real connection, tests with a scripted peer.
public protocol StanzaChannel: Sendable {
    /// The full address the server bound for this stream.
    var address: JID { get }

    /// The longest stanza the server takes, in bytes, where it says so (XEP-0478).
    var maximumStanzaByteCount: Int? { get }

    /// Sends a `get` or `set` to an address, and returns once it is queued for writing: what one task sends goes out in
    /// that order. The time runs from now on, and anew from when a stream that lost its connection goes on.
    ///
    /// - Parameter to: whom to ask; `nil` for the own account's server.
    /// - Throws: `StanzaChannelError`, `CancellationError`.
    func sendRequest(
        _ kind: RequestKind, to: JID?, payload: XMLElement, timeout: Duration
    ) async throws -> PendingAnswer

    /// Sends a message or presence stanza, or the answer to a request; returns once it is queued for writing.
    func send(_ stanza: XMLElement) async throws

    /// The `get` and `set` requests whose payload is in that namespace, from now on. Each must be answered with
    /// `send`. At most one sequence may be open for a namespace; requests nobody asked for are answered with
    /// `service-unavailable`.
    func requests(inNamespace namespace: String) -> AsyncStream<IQ>

    /// The messages that have a child element in that namespace, from now on.
    func messages(withChildIn namespace: String) -> AsyncStream<XMLElement>
}

extension StanzaChannel {
    /// The server does not say.
    public var maximumStanzaByteCount: Int? { nil }

    /// Sends a `get` or `set` to an address and awaits the payload of the result.
    ///
    /// - Parameter to: whom to ask; `nil` for the own account's server.
    /// - Throws: `StanzaError` when the answer is an error, `StanzaChannelError` when there is no answer, or
    ///   `CancellationError`.
    @discardableResult
    public func request(
        _ kind: RequestKind, to: JID?, payload: XMLElement, timeout: Duration
    ) async throws -> XMLElement? {
        try await sendRequest(kind, to: to, payload: payload, timeout: timeout).payload
    }
}

/// The answer to a request that was sent.
public struct PendingAnswer: Sendable {
    private let wait: @Sendable () async throws -> XMLElement?

    /// Creates it from what waits for the answer.
    public init(_ wait: @escaping @Sendable () async throws -> XMLElement?) { self.wait = wait }

    /// The payload of the result, once it is there. To be awaited once; cancelling the wait gives the request up.
    ///
    /// - Throws: `StanzaError` when the answer is an error, `StanzaChannelError` when there is no answer, or
    ///   `CancellationError`.
    public var payload: XMLElement? {
        get async throws { try await wait() }
    }
}

/// The two kinds of IQ that ask for an answer.
public enum RequestKind: String, Sendable {
    /// Asks for information.
    case get
    /// Asks for a change.
    case set
}

/// Why a request got no answer.
public enum StanzaChannelError: Error, Sendable, Hashable {
    /// No answer came within the time limit.
    case timedOut
    /// The stream ended before an answer came.
    case closed(reason: String)
}
