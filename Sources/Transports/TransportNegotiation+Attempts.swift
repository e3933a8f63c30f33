// XEP-0166 § 7.2.12 to § 7.2.15: one method after the other, until one connects.
internal import Jingle
internal import Synchronization

extension TransportNegotiation {
    private enum Turn<Value: Sendable>: Sendable {
        case done(Result<Value, any Error>)
        case offered(ContentTransport)
    }

    func establish<Value: Sendable>(
        _ attempt: @escaping @Sendable (any TransportMethod, [String]) async throws -> Value
    ) async throws -> Value {
        while true {
            let (current, reasons) = state.withLock { ($0.method, $0.reasons) }
            guard let current else { throw TransportFailure.noPath(reasons) }
            switch try await turn(current, { try await attempt(current, reasons) }) {
            case .done(.success(let value)):
                state.withLock { $0.isConnected = true }
                return value
            case .done(.failure(let error)):
                note(try Self.reasons(of: error))
                current.close()
                try await fallBack()
            case .offered(let transport):
                let obstacles = await current.obstacles()
                note(obstacles.isEmpty ? ["the peer gave \(name(of: state.withLock { $0.namespace })) up"] : obstacles)
                current.close()
                try await answer(transport)
            }
        }
    }

    /// Tries a method until it connects or fails, or the peer proposes another.
    private func turn<Value: Sendable>(
        _ method: any TransportMethod, _ attempt: @escaping @Sendable () async throws -> Value
    ) async throws -> Turn<Value> {
        try await withThrowingTaskGroup(of: Turn<Value>.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do {
                    try self.authenticate(method)
                    return .done(.success(try await attempt()))
                } catch {
                    return .done(.failure(error))
                }
            }
            group.addTask {
                while true {
                    // Answers to proposals that were given up are of no use any more.
                    if case .offered(let transport) = try await self.signals.next() { return .offered(transport) }
                }
            }
            guard let turn = try await group.next() else { throw CancellationError() }
            // What was proposed in this very moment must not be lost.
            group.cancelAll()
            if case .offered(let transport)?? = try? await group.next() { signals.putBack(.offered(transport)) }
            try Task.checkCancellation()
            return turn
        }
    }

    /// Makes sure that the peer is to be talked to. Whoever has signalled a certificate once keeps to it in this session.
    private func authenticate(_ method: any TransportMethod) throws {
        let known = state.withLock { $0.fingerprint }
        guard known == nil || known == method.peerFingerprint else { throw TransportFailure.peerNotAuthenticated }
        try check(method.peerFingerprint)
    }
}
