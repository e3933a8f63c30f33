// RFC 6121: contacts and their presence
internal import Synchronization
internal import XML
public import XMPP

extension XMPPClient {
    /// The account's contacts (RFC 6121 § 2.1.3).
    ///
    /// - Throws: `StanzaError`, `StanzaChannelError`, or `StanzaParseError` when the answer cannot be read.
    public func roster(timeout: Duration = .seconds(10)) async throws -> Roster {
        guard let answer = try await request(.get, to: nil, payload: Roster.request, timeout: timeout) else {
            throw StanzaParseError.missing("query")
        }
        return try Roster(answer)
    }

    /// Whether the server sends this account the presence of another: of a contact who agreed to it, and its own.
    ///
    /// - Throws: as ``roster(timeout:)``.
    public func seesPresence(of account: JID) async throws -> Bool {
        if account.bare == address.bare { return true }
        return try await roster().items[account.bare]?.subscription.seesContact == true
    }

    /// The presence stanzas from now on. At most 256 may wait; more are dropped.
    func presences() -> AsyncStream<Presence> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Presence.self, bufferingPolicy: .bufferingOldest(StanzaRouter.waitingCount))
        let number = state.withLock { $0.router.addPresences(continuation) }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { $0.router.removePresences(number: number) }
        }
        if closingReason != nil { continuation.finish() }
        return stream
    }

    private enum Input: Sendable {
        case presence(Presence)
        case enough
    }

    /// Goes on-line without taking messages for the account (priority −1) and collects the presence of an account
    /// that shares it with this one: a contact that is subscribed to, or the own account.
    ///
    /// Nothing says that all devices have answered, so what comes later than a moment after the first is missed.
    ///
    /// - Parameters:
    ///   - limit: how long the first answer may take.
    ///   - pause: how long to wait for others after the first.
    /// - Throws: `StanzaChannelError`, or `CancellationError`.
    public func presence(
        of account: JID, limit: Duration = .seconds(5), pause: Duration = .milliseconds(700)
    ) async throws -> ContactPresence {
        let presences = presences()
        let (inputs, continuation) = AsyncStream.makeStream(of: Input.self, bufferingPolicy: .bufferingOldest(256))
        var contact = ContactPresence(account: account)
        try await becomeAvailable(priority: -1)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                for await presence in presences { continuation.yield(.presence(presence)) }
                continuation.finish()
            }
            group.addTask {
                try await Task.sleep(for: limit)
                continuation.yield(.enough)
            }
            var isAnswered = false
            for await input in inputs {
                guard case .presence(let presence) = input else { break }
                // Our own presence comes back together with those of the account's other devices (RFC 6121 § 4.2.2).
                let isOwn = presence.from == address
                if !isOwn { contact.note(presence) }
                let isAnswer = isOwn ? account.bare == address.bare : !contact.isUnknown
                guard !isAnswered, isAnswer else { continue }
                isAnswered = true
                group.addTask {
                    try await Task.sleep(for: pause)
                    continuation.yield(.enough)
                }
            }
            try Task.checkCancellation()
            if let reason = closingReason { throw StanzaChannelError.closed(reason: reason) }
            return contact
        }
    }
}
