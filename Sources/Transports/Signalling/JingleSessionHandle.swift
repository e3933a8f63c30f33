// XEP-0166: one session, for whoever works in it.
public import Jingle
public import XMPP

/// A running session: its events and its commands.
public struct JingleSessionHandle: Sendable {
    /// The session's name.
    public let id: JingleSessionID
    /// What happens in the session, for one reader; ends after `JingleEvent.ended`, or without it when the stream to the
    /// server ends, which the transport may outlive.
    public let events: AsyncStream<JingleEvent>

    private let end: AsyncStream<Void>
    private let host: JingleHost

    init(id: JingleSessionID, events: AsyncStream<JingleEvent>, end: AsyncStream<Void>, host: JingleHost) {
        self.id = id
        self.events = events
        self.end = end
        self.host = host
    }

    /// The peer's full address.
    public var peer: JID { id.peer }

    /// Returns when ``events`` has ended, without reading it, or when the calling task is cancelled. For one caller.
    public func waitUntilEnded() async {
        for await _ in end {}
    }

    /// Accepts the session with our descriptions and transports.
    ///
    /// - Throws: `JingleCommandError`.
    public func accept(_ contents: [Content]) async throws(JingleCommandError) {
        try await host.command(id) { session throws(JingleCommandError) in try session.accept(contents) }
    }

    /// Tells the peer more about our transport.
    ///
    /// - Throws: `JingleCommandError`.
    public func sendTransportInfo(
        _ content: ContentID, _ transport: ContentTransport
    ) async throws(JingleCommandError) {
        try await host.command(id) { session throws(JingleCommandError) in
            try session.sendTransportInfo(content, transport)
        }
    }

    /// Proposes other transports.
    ///
    /// - Throws: `JingleCommandError`.
    public func replaceTransports(
        _ transports: [(ContentID, ContentTransport)]
    ) async throws(JingleCommandError) {
        try await host.command(id) { session throws(JingleCommandError) in try session.replaceTransports(transports) }
    }

    /// Accepts transports the peer proposed, with our side of them.
    ///
    /// - Throws: `JingleCommandError`.
    public func acceptTransports(
        _ transports: [(ContentID, ContentTransport)]
    ) async throws(JingleCommandError) {
        try await host.command(id) { session throws(JingleCommandError) in try session.acceptTransports(transports) }
    }

    /// Rejects transports the peer proposed.
    ///
    /// - Throws: `JingleCommandError`.
    public func rejectTransports(_ contents: [ContentID], _ reason: Reason) async throws(JingleCommandError) {
        try await host.command(id) { session throws(JingleCommandError) in
            try session.rejectTransports(contents, reason)
        }
    }

    /// Tells the peer something about a content, such as its checksum.
    ///
    /// - Throws: `JingleCommandError`.
    public func sendInfo(_ info: SessionInfo) async throws(JingleCommandError) {
        try await host.command(id) { session throws(JingleCommandError) in try session.sendInfo(info) }
    }

    /// Ends the session, and returns when the peer has acknowledged it or has had the time to; also in a task that was
    /// cancelled. For a session that is over this does nothing.
    public func terminate(_ reason: Reason) async {
        await host.terminate(id, reason)
    }

    /// Ends a session of which the peer wants nothing any more, and does not wait for its acknowledgement.
    public func leave(_ reason: Reason) async {
        await host.terminate(id, reason, waits: false)
    }
}
