import Transports

extension SocketListener {
    /// Takes connections until it is closed, and serves each in a task of its own; those above the limit are aborted.
    ///
    /// - Throws: `SocketError` when it is closed, `CancellationError`.
    func serve(
        within limit: CountLimit, _ body: @escaping @Sendable (SocketListener.Arrival) async -> Void
    ) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            while true {
                let arrival = try await accept()
                guard limit.take() else {
                    arrival.stream.reset(code: 0)
                    continue
                }
                group.addTask {
                    defer { limit.giveBack() }
                    await body(arrival)
                }
            }
        }
    }
}
