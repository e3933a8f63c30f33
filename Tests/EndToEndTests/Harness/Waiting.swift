/// What was waited for did not happen in time.
struct TimedOut: Error, CustomStringConvertible {
    var description: String
}

/// Returns once the condition holds. It is looked at often rather than signalled: what the tests wait for happens in
/// other processes.
func wait(
    for what: String, within limit: Duration = .seconds(90), until condition: () throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try !condition() {
        guard ContinuousClock.now < end else { throw TimedOut(description: "no \(what) within \(limit)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
