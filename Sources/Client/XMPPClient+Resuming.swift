// XEP-0198: the connections of a stream, one after the other
internal import Logging
internal import Synchronization
internal import XMPP

extension XMPPClient {
    /// How long a connection has to hold for another one to be tried at once.
    private static let lastingConnection = Duration.seconds(60)

    /// How many connections in a row need not hold: then what is sent may be what breaks them.
    private static let shortConnectionLimit = 5

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
        var missedCount = 0
        while !Task.isCancelled {
            // An address that is given back at once has broken nothing, nor is there anything to gain without a session.
            missedCount = link.hasLocalAddress || resumption == nil ? 0 : missedCount + 1
            guard missedCount < 2 else {
                return link.cut(.closed(reason: "this host does not have the address any more"))
            }
            let now = ContinuousClock.now
            let (asked, received, isOn, isFull) = state.withLock { state in
                if state.management.hasUnasked { state.management.ask(at: now) }
                return (state.management.askedAt, state.lastReceived, state.management.isOn, state.management.isFull)
            }
            link.wake()
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
                    await ping()
                    if Task.isCancelled { return }
                    guard state.withLock(\.lastReceived) > now else { return link.cut(.unresponsive) }
                    continue
                }
            }
            try? await Task.sleep(until: min(due, now + limits.inspection), clock: .continuous)
        }
    }

    /// Waits until the server answers, for a time; sending takes as long as it likes when nothing gets out.
    private func ping() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                _ = try? await self.request(.get, to: nil, payload: Ping.request, timeout: self.limits.patience)
            }
            group.addTask { try? await Task.sleep(for: self.limits.patience) }
            await group.next()
            group.cancelAll()
        }
    }

    /// What to ask the server for over another connection.
    var resumption: StreamResumption? { state.withLock(\.management.resumption) }

    /// The stream goes on over another connection.
    func resumed(over link: StreamLink, handledCount: UInt32) throws(StreamManagementViolation) {
        try state.withLock { state throws(StreamManagementViolation) in
            // It was given up meanwhile.
            guard end.current == nil else { throw .unexpected("resumed") }
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
            guard case .lost(let reason) = ending, !state.isClosing, state.management.session != nil,
                end.current == nil
            else { return false }
            let hasHeld = state.resumed.map { .now - $0 > Self.lastingConnection } ?? true
            state.shortConnectionCount = hasHeld ? 0 : state.shortConnectionCount + 1
            guard state.shortConnectionCount < Self.shortConnectionLimit else { return false }
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
        let preferred = wish == stream.endpoint ? [stream.endpoint] : [wish, stream.endpoint].compactMap(\.self)
        let limit = min(session?.maximumSeconds.map { .seconds($0) } ?? limits.resuming, limits.resuming)
        let deadline = ContinuousClock.now + limit
        let why = if case .closed(let why) = reason { why } else { "\(reason)" }
        log.warning("The connection to the XMPP server was lost: \(why). Trying to get it back …")
        var next = firstAttempt
        while next < deadline, (try? await Task.sleep(until: next, clock: .continuous)) != nil, end.current == nil {
            switch await attempt(preferring: preferred, until: deadline) {
            case .success: return log.warning("The connection to the XMPP server is back.")
            case .failure(let error):
                guard error.permitsResumption || .now >= deadline else { return ended(error) }
                next = nextAttempt
            }
        }
        ended(reason)
    }

    /// Tries to get another connection, until then.
    private func attempt(
        preferring preferred: [ServerEndpoint], until deadline: ContinuousClock.Instant
    ) async -> Result<Void, ClientError> {
        await withTaskGroup(of: Result<Void, ClientError>?.self) { group in
            group.addTask {
                do throws(ClientError) {
                    _ = try await Self.open(
                        .resumption(of: self), preferring: preferred, self.configuration, limits: self.limits,
                        log: self.log)
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                try? await Task.sleep(until: deadline, clock: .continuous)
                return nil
            }
            var result = Result<Void, ClientError>.failure(.cancelled)
            for await one in group {
                if let one { result = one }
                group.cancelAll()
            }
            return result
        }
    }

    /// At once, unless the last connection did not hold: a server that cuts each must not be asked at once for ever.
    private var firstAttempt: ContinuousClock.Instant {
        let hasHeld = state.withLock { state in
            if state.shortConnectionCount == 0 { state.backoff.reset() }
            return state.shortConnectionCount == 0
        }
        return hasHeld ? .now : nextAttempt
    }

    private var nextAttempt: ContinuousClock.Instant {
        var random = SystemRandomNumberGenerator()
        return .now + state.withLock { $0.backoff.next(using: &random) }
    }
}
