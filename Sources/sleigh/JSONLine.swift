import FoundationEssentials
import Glibc

/// What `--json` prints: one object a line on standard output, each with its `event`.
enum JSONLine {
    /// An account's password was right, and is kept.
    struct LoggedIn: Encodable {
        let event = "logged_in"
        var address: String
    }

    /// A receiver can be reached.
    struct Ready: Encodable {
        let event = "ready"
        var address: String
    }

    /// Connections that come to an address go to another one.
    struct Forwarding: Encodable {
        let event = "forwarding"
        /// Where the address is: `local` or `remote`.
        var side: String
        var address: String
        var target: String
    }

    /// The session of the forwards is lost, and will be made again.
    struct Disconnected: Encodable {
        let event = "disconnected"
        var reason: String
    }

    /// A file has arrived, or the receiver has confirmed that it has.
    struct Completed: Encodable {
        let event = "completed"
        var name: String
        var pathOnDisk: String?
        var peer: String
        var byteCount: Int64
        var transferredByteCount: Int64
        var durationSeconds: Double
        var timeToFirstByteSeconds: Double
        var sha256: String
        var isVerified: Bool
        var path: String
        var ipVersion: Int?
        var isEndToEndEncrypted: Bool
        var roundTripMs: Double?
        var pathReasons: [String]
    }

    /// A transfer, or the whole command, has failed.
    struct Failed: Encodable {
        let event = "failed"
        var reason: String
        var hint: String?
        var exitCode: Int32
        var peer: String?
        var name: String?
    }

    /// Prints an object as one line.
    static func print(_ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        // Encoding these structures cannot fail: they hold strings and finite numbers.
        guard let data = try? encoder.encode(value) else { return }
        write(line: String(decoding: data, as: UTF8.self))
    }

    /// Writes one line to standard output at once.
    static func write(line: String) {
        var bytes = Array((line + "\n").utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
