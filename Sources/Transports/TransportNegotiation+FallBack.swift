// XEP-0166 § 7.2.15 and § 7.2.16: who proposes another transport, and what becomes of it.
internal import Jingle
internal import Synchronization

extension TransportNegotiation {
    /// Goes to the next method that both sides agree on.
    func fallBack() async throws {
        if role == .responder, let signal = try await signals.next(within: limits.proposal) {
            if case .offered(let transport) = signal, try await accept(transport) { return }
        }
        while let rung = state.withLock({ $0.untried.isEmpty ? nil : $0.untried.removeFirst() }) {
            try countReplacement()
            if try await propose(rung) { return }
        }
        throw TransportFailure.noPath(state.withLock { $0.reasons })
    }

    /// Proposes a method; returns whether there is one to go on with, this or one of the peer's.
    func propose(_ rung: TransportRung) async throws -> Bool {
        guard let session = state.withLock({ $0.session }) else {
            throw TransportFailure.unavailable("the session has not begun")
        }
        let method: any TransportMethod
        do {
            method = try await rung.make(true)
        } catch {
            note(try Self.reasons(of: error))
            return false
        }
        try keep(method)
        state.withLock { $0.proposed = (method, rung.namespace) }
        var isUsed = false
        defer { if !isUsed { withdraw(method) } }
        // What was said to an earlier proposal is no answer to this one.
        signals.removeAll { if case .offered = $0 { false } else { true } }
        do {
            try await session.replaceTransports([(content, await method.localDescription())])
        } catch {
            // The peer has been faster.
            guard case .outOfOrder = error,
                case .offered(let transport)? = try await signals.next(within: limits.crossing)
            else { throw error }
            return try await accept(transport, insteadOf: rung, method)
        }
        switch try await signals.next(within: limits.answer) {
        case .accepted(let remote)?:
            do {
                try method.receive(remote)
            } catch {
                note(try Self.reasons(of: error))
                return false
            }
            use(method, rung.namespace, session)
            isUsed = true
            return true
        case .rejected(let why)?:
            // Both may have proposed at once; then the initiator's proposal counts, and follows.
            if why == nil, role == .responder,
                case .offered(let transport)? = try await signals.next(within: limits.crossing)
            {
                return try await accept(transport, insteadOf: rung, method)
            }
            note(["\(rung.name): \(why ?? "the peer does not take it")"])
            return false
        case .offered(let transport)?: return try await accept(transport, insteadOf: rung, method)
        case nil:
            throw TransportFailure.noPath(
                state.withLock { $0.reasons } + ["the peer did not answer the proposal of \(rung.name)"])
        }
    }

    /// Gives up a method we have proposed.
    private func withdraw(_ method: any TransportMethod) {
        state.withLock { state in
            if let proposed = state.proposed, proposed.method === method { state.proposed = nil }
        }
        method.close()
    }

    /// Answers a proposal of the peer's that came in place of an answer to ours, which may follow later.
    private func accept(
        _ transport: ContentTransport, insteadOf rung: TransportRung, _ method: any TransportMethod
    ) async throws -> Bool {
        withdraw(method)
        state.withLock { $0.untried.insert(rung, at: 0) }
        return try await accept(transport)
    }

    /// Answers a proposal of the peer's, and falls back further when it cannot be used.
    func answer(_ transport: ContentTransport) async throws {
        guard try await !accept(transport) else { return }
        try await fallBack()
    }

    /// Accepts a transport the peer proposes if that is possible, or else rejects it.
    func accept(_ transport: ContentTransport) async throws -> Bool {
        try countReplacement()
        guard let session = state.withLock({ $0.session }),
            let rung = rungs.first(where: { $0.namespace == transport.namespace && $0.isAllowed })
        else {
            note(["the peer proposed a transport that is not used here"])
            await reject()
            return false
        }
        var made: (any TransportMethod)?
        var isUsed = false
        defer { if !isUsed { made?.close() } }
        do {
            let method = try await rung.make(false)
            made = method
            try keep(method)
            try method.receive(transport)
            try await session.acceptTransports([(content, await method.localDescription())])
            use(method, rung.namespace, session)
            isUsed = true
            return true
        } catch let failure as TransportFailure {
            note(try Self.reasons(of: failure))
            await reject()
            return false
        }
    }

    func reject() async {
        guard let session = state.withLock({ $0.session }) else { return }
        // It fails when the session is over, of which its events tell.
        try? await session.rejectTransports([content], Reason(.failedTransport))
    }

    /// Makes a method the one in use.
    func use(_ method: any TransportMethod, _ namespace: String, _ session: JingleSessionHandle) {
        let early = state.withLock { state in
            state.method = method
            state.namespace = namespace
            state.proposed = nil
            state.untried = Self.rungs(state.untried, below: namespace)
            defer { state.early = [] }
            return state.early.filter { $0.namespace == namespace }
        }
        noteFingerprint()
        for info in early { try? method.receive(info) }
        jobs.continuation.yield(.signal(method, session))
    }

    /// Runs a method from now on, and sees to it that it is closed.
    func keep(_ method: any TransportMethod) throws {
        guard !state.withLock({ $0.isClosed }) else {
            method.close()
            throw CancellationError()
        }
        jobs.continuation.yield(.run(method))
    }

    func countReplacement() throws {
        let count = state.withLock { state in
            state.replacementCount += 1
            return state.replacementCount
        }
        guard count <= Self.replacementLimit else {
            throw TransportFailure.noPath(state.withLock { $0.reasons } + ["too many transports were proposed"])
        }
    }
}
