internal import Synchronization

/// Shows the progress of transfers on one stream, and writes messages there without the two getting mixed up.
///
/// All that is written to that stream while a transfer runs goes through here. Keep ``run()`` running beside the
/// transfer: it does the drawing.
public final class ProgressDisplay: Sendable {
    private struct State {
        var line: ProgressLine?
        var pauses = 0
    }

    private let terminal: Terminal
    private let state = Mutex(State())
    /// Held while something is written, so that ``update(byteCount:)`` never waits for a terminal that was stopped.
    private let output = Mutex(())

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
            let erasure = line?.clear() ?? ""
            line = ProgressLine(name: name, total: total, byteCount: byteCount, style: style, at: now)
            return erasure
        }
    }

    /// Notes how much of the whole is there now. Cheap enough to be called for every block; draws nothing.
    public func update(byteCount: UInt64) {
        state.withLock { $0.line?.update(byteCount: byteCount, at: .now) }
    }

    /// Notes the path the bytes take, printable.
    public func show(path: String) {
        state.withLock { $0.line?.path = path }
    }

    /// Writes a message of one or more lines above the progress.
    public func message(_ text: String) {
        change { line, _ in (line?.clear() ?? "") + text + "\n" }
    }

    /// Ends the progress of the transfer; what it looked like stays only where lines are plain.
    public func end() {
        change { line, now in
            defer { line = nil }
            return line?.finish(at: now) ?? ""
        }
    }

    /// Keeps the line off the screen for as long as the closure runs, so that a question can be asked.
    public func paused<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        state.withLock { $0.pauses += 1 }
        change { line, _ in line?.clear() ?? "" }
        defer {
            state.withLock { $0.pauses -= 1 }
            draw()
        }
        return try await body()
    }

    /// Redraws as time passes, until the calling task is cancelled.
    public func run() async {
        while (try? await Task.sleep(for: ProgressLine.redrawInterval)) != nil {
            draw()
        }
    }

    private func draw() { change { _, _ in "" } }

    /// Changes the line, and writes what the closure returns and then the line if that is due.
    private func change(_ body: (inout ProgressLine?, ContinuousClock.Instant) -> String) {
        output.withLock { _ in
            let columns = terminal.columns
            let text = state.withLock { state in
                let now = ContinuousClock.now
                let text = body(&state.line, now)
                guard state.pauses == 0 else { return text }
                return text + (state.line?.draw(columns: columns, at: now) ?? "")
            }
            if !text.isEmpty { terminal.write(text) }
        }
    }
}
