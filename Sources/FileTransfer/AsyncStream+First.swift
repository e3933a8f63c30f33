internal import Transports

extension AsyncStream where Element: Sendable {
    /// Waits for the first element; `nil` when the stream ends without one or the time is over.
    ///
    /// - Throws: `CancellationError`.
    func first(within limit: Duration) async throws -> Element? {
        let first = try await within(limit) { await self.first { _ in true } } ?? nil
        try Task.checkCancellation()
        return first
    }
}
