import Foundation
import Testing

/// A terminal without a screen: what the program writes to `slave` is read here, what is typed here it reads.
final class PseudoTerminal: Sendable {
    let master: Int32
    let slave: Int32
    let path: String

    init() throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(master >= 0)
        var lock: Int32 = 0
        var number: Int32 = 0
        // TIOCSPTLCK and TIOCGPTN, whose macros Swift does not see.
        try #require(ioctl(master, 0x4004_5431, &lock) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
        path = "/dev/pts/\(number)"
        slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(slave >= 0)
    }

    deinit {
        close(slave)
        close(master)
    }

    func resize(columns: UInt16) {
        var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    func type(_ text: String) { _ = text.withCString { write(master, $0, strlen($0)) } }

    /// Whether what is typed is shown.
    var hasEcho: Bool {
        var mode = termios()
        tcgetattr(slave, &mode)
        return mode.c_lflag & tcflag_t(ECHO) != 0
    }

    /// Reads what the program wrote, up to and including a text.
    func output(until end: String) throws -> String {
        var output: [UInt8] = []
        var byte: UInt8 = 0
        while !output.suffix(end.utf8.count).elementsEqual(end.utf8) {
            try #require(read(master, &byte, 1) == 1)
            output.append(byte)
        }
        return String(decoding: output, as: UTF8.self)
    }
}
