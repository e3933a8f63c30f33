// XEP-0198: the connections of a stream, one after the other
internal import Logging
internal import Synchronization
internal import XMPP

extension XMPPClient {
    /// How long a connection has to hold for another one to be tried at once.
    private static let lastingConnection = Duration.seconds(60)

    /// Says that there is something to write.
    func wake() { state.withLock(\.link)?.wake() }

    /// What to write to the connection next; `nil` when there is nothing to write.
    func nextOutput() -> String? {
        let (output, room) = state.withLock { state in
            let output = state.management.nextOutput(at: .now)
            guard !state.management.isFull else { return (output, nil as OneShot<Void>?) }
            defer { state.room = nil }
            return (output, state.room)
        }
        room?.fulfil(())
        return output
    }

    /// Watches over a connection, and cuts it when it is of no use any more: when this host has lost its address, or a
    /// server that was asked for an acknowledgement, or is pinged after a long silence, says nothing. Ends with the
    /// task.
    func watch(_ link: StreamLink) async {
        while !Task.isCancelled {
            guard link.hasLocalAddress else {
                return link.cut(.closed(reason: "this host does not have the address any more"))
            }
            let (asked, received, isOn, isFull) = state.withLock { state in
                (state.management.askedAt, state.lastReceived, state.management.isOn, state.management.isFull)
            }
            let now = ContinuousClock.now
            let due: ContinuousClock.Instant
            if let asked {
                // A server that has long said something else must acknowledge when nothing more can be sent without
                // that.
                due = (isFull ? asked : max(asked, received)) + limits.acknowledging
                guard now < due else { return link.cut(.unresponsive) }
            } else {
                due = received + limits.silence
                if now >= due, isOn {
                    state.withLock { $0.management.ask(at: now) }
                    link.wake()
                    continue
                }
                if now >= due {
                    _ = try? await request(.get, to: nil, payload: Ping.request, timeout: limits.patience)
                    if Task.isCancelled { return }
                    guard state.withLock(\.lastReceived) > now else { return link.cut(.unresponsive) }
                    continue
                }
            }
            try? await Task.sleep(until: min(due, now + limits.inspection), clock: .continuous)
        }
    }

    /// What to ask the server for over another connection.
    var resumption: StreamResumption? { state.withLock(\.management.resumption) }

    /// The stream goes on over another connection.
    func resumed(over link: StreamLink, handledCount: UInt32) throws(StreamManagementViolation) {
        try state.withLock { state throws(StreamManagementViolation) in
            try state.management.resumed(handledCount: handledCount)
            state.link = link
            (state.resumed, state.lastReceived) = (.now, .now)
        }
        link.wake()
    }

    /// The connection is over, and with it the stream unless it can go on over another.
    func connectionEnded(_ ending: StreamConnection.Ending) {
        let isResumable = state.withLock { state in
            state.link = nil
            guard case .lost(let reason) = ending, !state.isClosing, state.management.session != nil else {
                return false
            }
            state.management.connectionLost()
            // Ends with success, when the server refuses, after a time limit, and with `close()`.
            state.resumption = Task { await self.resume(after: reason) }
            return true
        }
        if !isResumable { ended(ending.reason) }
    }

    /// Gets another connection for the stream, or ends it.
    private func resume(after reason: ClientError) async {
        let session = state.withLock(\.management.session)
        // Where the user says nothing, the server does (§ 5). Of several servers only the former one may have the stream.
        let location = configuration.server == nil ? session?.location : nil
        let wish = location.flatMap { ServerEndpoint(location: $0, security: stream.endpoint.security) }
        let preferred = [wish, stream.endpoint].compactMap(\.self)
        let limit = min(session?.maximumSeconds.map { .seconds($0) } ?? limits.resuming, limits.resuming)
        let deadline = ContinuousClock.now + limit
        log.info("stream lost", metadata: ["reason": "\(reason)", "resumable_for": "\(limit)"])
        var next = firstAttempt
        while next < deadline, (try? await Task.sleep(until: next, clock: .continuous)) != nil {
            do throws(ClientError) {
                _ = try await Self.open(
                    .resumption(of: self), preferring: preferred, configuration, limits: limits, log: log)
                return
            } catch {
                guard error.permitsResumption else { return ended(error) }
                next = nextAttempt
            }
        }
        ended(reason)
    }

    /// At once, unless the last connection did not last: a server that cuts each must not be asked at once for ever.
    private var firstAttempt: ContinuousClock.Instant {
        let isSettled = state.withLock { state in
            let isSettled = state.resumed.map { .now - $0 > Self.lastingConnection } ?? true
            if isSettled { state.backoff.reset() }
            return isSettled
        }
        return isSettled ? .now : nextAttempt
    }

    private var nextAttempt: ContinuousClock.Instant {
        var random = SystemRandomNumberGenerator()
        return .now + state.withLock { $0.backoff.next(using: &random) }
    }
}
