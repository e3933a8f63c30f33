internal import Glibc

/// One of the process's standard streams, and what can be shown on it.
public struct Terminal: Sendable {
    /// Where results go.
    public static let standardOutput = Terminal(descriptor: STDOUT_FILENO)
    /// Where progress and messages go.
    public static let standardError = Terminal(descriptor: STDERR_FILENO)
    /// Where data may come from.
    public static let standardInput = Terminal(descriptor: STDIN_FILENO)

    /// Whether a person looks at it, rather than a file or a program.
    public let isTerminal: Bool
    /// Whether the cursor can be moved and lines erased: a terminal that is not `TERM=dumb`.
    public let canRedraw: Bool
    /// Whether colours are wanted: by `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, and what the terminal can do.
    public let hasColour: Bool

    /// Whether characters beyond ASCII can be shown, by `LC_ALL`, `LC_CTYPE` and `LANG`.
    public let isUnicode: Bool

    private let descriptor: Int32

    /// Examines an open file descriptor.
    public init(descriptor: Int32) {
        self.init(descriptor: descriptor, isTerminal: isatty(descriptor) == 1) { name in
            getenv(name).map { String(cString: $0) }
        }
    }

    /// Decides by an environment of the caller's choice.
    init(descriptor: Int32, isTerminal: Bool, environment: (String) -> String?) {
        self.descriptor = descriptor
        self.isTerminal = isTerminal
        let kind = environment("TERM") ?? ""
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(environment).first { !$0.isEmpty } ?? ""
        isUnicode = ["utf-8", "utf8"].contains { locale.lowercased().hasSuffix($0) }
        canRedraw = isTerminal && kind != "dumb" && !kind.isEmpty
        if environment("NO_COLOR") ?? "" != "" {
            hasColour = false
        } else if !["", "0"].contains(environment("CLICOLOR_FORCE") ?? "") {
            hasColour = true
        } else {
            hasColour = canRedraw && environment("CLICOLOR") != "0"
        }
    }

    /// The width in columns as of now, as windows change; 80 if the terminal does not say.
    public var columns: Int {
        var size = winsize()
        guard isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Writes text as it is. Failures are ignored: there is nobody left to tell.
    public func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count > 0 {
                    done += count
                } else if errno == EAGAIN {
                    var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&poller, 1, 1000)
                } else if errno != EINTR {
                    return
                }
            }
        }
    }

    /// Writes a line.
    public func writeLine(_ text: String) { write(text + "\n") }

    /// Colours a text if colours are wanted.
    public func styled(_ text: String, _ style: Style) -> String {
        hasColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// The few ways in which text stands out.
    public enum Style: String, Sendable {
        case bold = "1"
        case faint = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
    }
}
