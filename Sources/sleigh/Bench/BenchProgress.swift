import FileTransfer
import Jingle
import Synchronization
import TerminalUI
import Transports
import XMPP

/// Turns the events of a measurement into words and a line that shows what arrives.
final class BenchProgress: Sendable {
    private let console: Console
    private let rung: String?
    private let path = Mutex("")

    /// - Parameter rung: what the path is called before it is known, where there are several.
    init(console: Console, rung: String? = nil) {
        self.console = console
        self.rung = rung
    }

    func take(_ event: BenchEvent) {
        switch event {
        case .session(.inviting(let peer)):
            console.say(rung.map { "Measuring \($0) …" } ?? "Asking \(printable(peer.description)) …")
        case .session(.ringing(let device)):
            console.say("Waiting for \(printable(device.description)) to accept …")
        case .session(.accepted(let device)): console.detail("\(printable(device.description)) accepted.")
        case .session(.connected(let path, let peer, _)):
            console.detail("Connected to \(printable(peer.description)): \(path)\(path.ends).")
            for reason in path.reasons { console.detail("  Not a better path: \(printable(reason)).") }
            self.path.withLock { $0 = path.text }
        case .session: break
        case .began(let phase):
            console.display.begin(
                name: phase.direction.name, total: phase.isLimitedByTime ? nil : phase.byteLimit)
            console.display.show(path: path.withLock { $0 })
        case .progress(let byteCount): console.display.update(byteCount: byteCount)
        case .ended: console.display.end()
        }
    }
}

extension Console {
    /// Runs a closure and draws the progress meanwhile.
    func displaying<Value: Sendable>(_ body: () async throws -> Value) async rethrows -> Value {
        let drawing = Task { await display.run() }
        defer { drawing.cancel() }
        return try await body()
    }

    /// Shows what is being measured of the disk.
    func show(_ step: DiskBench.Step, byteCount: UInt64, of total: UInt64) {
        if byteCount == 0 {
            display.end()
            display.begin(name: step.name, total: total)
        }
        display.update(byteCount: byteCount)
    }
}

extension DiskBench.Step {
    fileprivate var name: String {
        switch self {
        case .write: "receiving"
        case .read: "reading"
        case .readAndHash: "sending"
        case .hash: "SHA-256"
        }
    }
}
