internal import Synchronization

/// Shows the progress of transfers on one stream, and writes messages there without the two getting mixed up.
///
/// All that is written to that stream while a transfer runs goes through here. Keep ``run()`` running beside the
/// transfer, so that the time left and stalls are shown when no bytes move.
public final class ProgressDisplay: Sendable {
    private struct State {
        var line: ProgressLine?
        var pauses = 0
    }

    private let terminal: Terminal
    private let state = Mutex(State())

    /// Creates a display that shows nothing yet.
    public init(_ terminal: Terminal = .standardError) { self.terminal = terminal }

    /// Starts to show a transfer; any other is shown no more.
    ///
    /// - Parameters:
    ///   - name: what is transferred, printable.
    ///   - total: the size of the whole in bytes, if known.
    ///   - byteCount: how much is there from before.
    public func begin(name: String, total: UInt64?, byteCount: UInt64 = 0) {
        let style = terminal.canRedraw ? ProgressLine.Style.redrawn : .plain
        change { line, now in
            if var before = line { terminal.write(before.clear()) }
            line = ProgressLine(name: name, total: total, byteCount: byteCount, style: style, at: now)
        }
    }

    /// Notes how much of the whole is there now. Cheap enough to be called for every block.
    public func update(byteCount: UInt64) {
        change { line, now in line?.update(byteCount: byteCount, at: now) }
    }

    /// Notes the path the bytes take, printable.
    public func show(path: String) {
        change { line, _ in line?.path = path }
    }

    /// Writes a message of one or more lines above the progress.
    public func message(_ text: String) {
        change { line, _ in
            terminal.write((line?.clear() ?? "") + text + "\n")
        }
    }

    /// Ends the progress of the transfer; what it looked like stays only where lines are plain.
    public func end() {
        state.withLock { state in
            if var line = state.line { terminal.write(line.finish(at: .now)) }
            state.line = nil
        }
    }

    /// Keeps the line off the screen for as long as the closure runs, so that a question can be asked.
    public func paused<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        state.withLock { state in
            terminal.write(state.line?.clear() ?? "")
            state.pauses += 1
        }
        defer {
            state.withLock { $0.pauses -= 1 }
            change { _, _ in }
        }
        return try await body()
    }

    /// Redraws as time passes, until the calling task is cancelled.
    public func run() async {
        while (try? await Task.sleep(for: ProgressLine.redrawInterval)) != nil {
            change { _, _ in }
        }
    }

    private func change(_ body: (inout ProgressLine?, ContinuousClock.Instant) -> Void) {
        state.withLock { state in
            let now = ContinuousClock.now
            body(&state.line, now)
            guard state.pauses == 0 else { return }
            if let text = state.line?.draw(columns: terminal.columns, at: now) { terminal.write(text) }
        }
    }
}
