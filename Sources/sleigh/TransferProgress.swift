import FileTransfer
import SecureChannels
import Synchronization
import TerminalUI
import Transports
import XMPP

/// Turns the events of one transfer into words and progress.
final class TransferProgress: Sendable {
    /// Which way the file goes; both ways for a stream, and to measure the way itself.
    enum Direction { case out, `in`, both, measured, forwarded }

    private let console: Console
    private let name: String
    private let byteCount: UInt64?
    private let direction: Direction
    private let shown = Mutex<PathReport?>(nil)

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
            console.detail(
                "Connected to \(printable(peer.description)): \(path)\(path.ends).")
            if !path.isEndToEndEncrypted {
                console.say(
                    "Not end-to-end encrypted: the client of \(printable(peer.bare.description)) cannot do that.")
            }
            for reason in path.reasons { console.detail("  Not a better path: \(printable(reason)).") }
            for sentence in path.limits.sentences(direction) { console.detail(sentence) }
            console.display.begin(name: name, total: byteCount)
            show(path)
        case .pathLost(let why):
            console.say("The path was lost: \(printable(why)). Looking for another …")
        case .resumed(let offset):
            console.say("Going on after the \(Format.bytes(UInt64(offset))) that are there already.")
            console.display.update(byteCount: UInt64(offset))
        case .progress(let byteCount, let path):
            console.display.update(byteCount: UInt64(byteCount))
            show(path)
        case .verifying:
            console.detail("Comparing the checksum …")
        }
    }

    /// Shows the path when it has changed enough to be seen.
    private func show(_ path: PathReport) {
        let isNews = shown.withLock { shown in
            if let shown, shown.kind == path.kind,
                abs((shown.roundTripTime ?? .zero).inSeconds - (path.roundTripTime ?? .zero).inSeconds) < 0.0005
            {
                return false
            }
            shown = path
            return true
        }
        if isNews { console.display.show(path: path.text) }
    }
}
