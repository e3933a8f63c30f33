extension AsyncStream where Element: Sendable {
    /// Waits for the first element; `nil` when the stream ends without one or the time is over.
    ///
    /// - Throws: `CancellationError`.
    func first(within limit: Duration) async throws -> Element? {
        let first = try await withThrowingTaskGroup(of: Element?.self) { group in
            defer { group.cancelAll() }
            group.addTask { await self.first { _ in true } }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            return try await group.next() ?? nil
        }
        try Task.checkCancellation()
        return first
    }
}
