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

    /// Waits for the first element; `nil` when `end` returns before there is one, or the stream ends without. None is lost:
    /// one that comes in the moment of the end is given to `late` or stays in the stream. An element that is there is
    /// returned also in a task that was cancelled.
    ///
    /// - Throws: what `end` throws, `CancellationError`.
    func first(
        before end: @escaping @Sendable () async throws -> Void, late: (Element) async -> Void
    ) async throws -> Element? {
        try await withThrowingTaskGroup(of: Element?.self) { group in
            group.addTask { await self.first { _ in true } }
            group.addTask {
                try await end()
                return nil
            }
            let result = await group.nextResult()
            group.cancelAll()
            if case .success(let element?)? = result { return element }
            while let other = await group.nextResult() {
                if case .success(let element?) = other { await late(element) }
            }
            try Task.checkCancellation()
            return try result?.get() ?? nil
        }
    }
}
