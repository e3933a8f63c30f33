import FileTransfer
import Logging
import TerminalUI
import Transports
import XMPP

/// Where a command says what happens: messages and progress on standard error, results on standard output.
final class Console: Sendable {
    let display = ProgressDisplay()
    let isVerbose: Bool
    let isJSON: Bool

    init(_ options: OutputOptions) {
        isVerbose = options.verbose
        isJSON = options.json
    }

    /// Says something that the user should know.
    func say(_ text: String) { display.message(text) }

    /// Says something only when the user wants to know everything.
    func detail(_ text: String) {
        if isVerbose { display.message(text) }
    }

    /// Says why the command, or one of its transfers, failed.
    func fail(_ failure: Failure, peer: JID? = nil, name: String? = nil) {
        display.end()
        if failure.message.isEmpty { return }
        let mark = Terminal.standardError.styled("sleigh:", .red)
        display.message("\(mark) \(failure.message)" + (failure.hint.map { "\n        \($0)" } ?? ""))
        guard isJSON else { return }
        JSONLine.print(
            JSONLine.Failed(
                reason: failure.message, hint: failure.hint, exitCode: failure.code.rawValue,
                peer: peer.map { printable($0.description) }, name: name.map { printable($0) }))
    }

    /// Says that a transfer is done.
    func complete(_ summary: TransferSummary, file: ReceivedFile? = nil) {
        display.end()
        for line in Summary(
            name: printable(file?.path ?? summary.name), byteCount: UInt64(summary.byteCount),
            resumedByteCount: UInt64(summary.byteCount - summary.transferredByteCount), duration: summary.duration,
            path: summary.path.text, obstacles: summary.path.reasons.map { printable($0) },
            checksum: "sha-256 \(summary.sha256)",
            isVerified: summary.isVerified
        ).lines {
            display.message(line)
        }
        if isJSON {
            JSONLine.print(
                JSONLine.Completed(
                    name: printable(summary.name), pathOnDisk: file?.path, peer: printable(summary.peer.description),
                    byteCount: summary.byteCount, transferredByteCount: summary.transferredByteCount,
                    durationSeconds: summary.duration.inSeconds,
                    timeToFirstByteSeconds: summary.timeToFirstByte.inSeconds, sha256: summary.sha256,
                    isVerified: summary.isVerified, path: summary.path.description, ipVersion: summary.path.ipVersion,
                    isEndToEndEncrypted: summary.path.isEndToEndEncrypted,
                    roundTripMs: summary.path.roundTripTime.map { $0.inSeconds * 1000 },
                    pathReasons: summary.path.reasons.map { printable($0) }))
        } else if let file, !Terminal.standardOutput.isTerminal {
            JSONLine.write(line: file.path)
        }
    }

    /// A log whose lines do not get mixed up with the progress.
    var log: Logger {
        var log = Logger(label: "sleigh") { _ in ConsoleLogHandler(display: self.display) }
        log.logLevel = isVerbose ? .debug : .warning
        return log
    }
}

/// Writes log lines above the progress.
private struct ConsoleLogHandler: LogHandler {
    let display: ProgressDisplay
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let values = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let details = values.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        display.message(printable("\(event.message) \(details)", columns: 1000))
    }
}

extension RateLimits {
    /// What is in force, as sentences.
    ///
    /// - Parameter direction: which way the bytes go.
    func sentences(_ direction: TransferProgress.Direction) -> [String] {
        let sending = direction == .in ? nil : sending
        let receiving = direction == .out ? nil : receiving
        return [
            sending.map { "Sending at most \($0.text)\(isSendingForPeer ? ", as the other side asks" : "")." },
            receiving.map { "Receiving at most \($0.text)." },
        ].compactMap { $0 }
    }
}

extension PathReport {
    /// Both ends, as the rest of a sentence; nothing when it has none of its own.
    var ends: String {
        guard let localAddress, let remoteAddress else { return "" }
        return ", \(localAddress) to \(remoteAddress)"
    }

    /// The path as shown beside the progress, such as `direct udp 12 ms`.
    var text: String {
        let warning = isEndToEndEncrypted ? "" : ", not end-to-end encrypted"
        guard let roundTripTime else { return description + warning }
        let milliseconds = roundTripTime.inSeconds * 1000
        let rounded = milliseconds < 10 ? (milliseconds * 10).rounded() / 10 : milliseconds.rounded()
        return "\(description) \(rounded < 10 ? "\(rounded)" : "\(Int(rounded))") ms\(warning)"
    }
}

extension Duration {
    /// The duration in seconds.
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
