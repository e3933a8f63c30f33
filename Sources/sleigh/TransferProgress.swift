import FileTransfer
import SecureChannels
import Synchronization
import TerminalUI
import Transports
import XMPP

/// Turns the events of one transfer into words and progress.
final class TransferProgress: Sendable {
    /// Which way the file goes.
    enum Direction { case out, `in` }

    private let console: Console
    private let name: String
    private let byteCount: UInt64?
    private let direction: Direction
    private let state = Mutex(State())

    private struct State {
        var path: PathReport?
        var roundTripTime: Duration?
    }

    init(console: Console, name: String, byteCount: UInt64?, direction: Direction) {
        self.console = console
        self.name = printable(name)
        self.byteCount = byteCount
        self.direction = direction
    }

    func take(_ event: TransferEvent) {
        switch event {
        case .inviting(let peer):
            console.say("Asking \(printable(peer.description)) …")
        case .ringing(let device):
            console.say("Waiting for \(printable(device.description)) to accept …")
        case .accepted(let device):
            console.detail(
                direction == .out ? "\(printable(device.description)) accepted." : "Accepted \(name).")
        case .connected(let path, let peer, _):
            state.withLock { $0.path = path }
            console.detail(
                "Connected to \(printable(peer.description)): \(path), \(path.localAddress) to \(path.remoteAddress).")
            for reason in path.reasons { console.detail("  Not a better path: \(printable(reason)).") }
            console.display.begin(name: name, total: byteCount)
            console.display.show(path: path.text(roundTripTime: path.roundTripTime))
        case .resumed(let offset):
            console.say("Going on after the \(Format.bytes(UInt64(offset))) that are there already.")
            console.display.update(byteCount: UInt64(offset))
        case .progress(let byteCount, let roundTripTime):
            console.display.update(byteCount: UInt64(byteCount))
            show(roundTripTime)
        case .verifying:
            console.detail("Comparing the checksum …")
        }
    }

    /// Shows a round-trip time when it has changed enough to be seen.
    private func show(_ roundTripTime: Duration?) {
        guard let roundTripTime else { return }
        let path: PathReport? = state.withLock { state in
            if let shown = state.roundTripTime, abs(shown.inSeconds - roundTripTime.inSeconds) < 0.0005 { return nil }
            state.roundTripTime = roundTripTime
            return state.path
        }
        if let path { console.display.show(path: path.text(roundTripTime: roundTripTime)) }
    }
}
