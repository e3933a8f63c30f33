import Foundation
import Synchronization

/// A terminal with a person at it: shows what a program prints, and takes what the person types.
final class PseudoTerminal: Sendable {
    /// What a program opens to be at this terminal.
    let path: String
    private let keyboard: FileHandle
    private let screen = Mutex(Data())
    /// Held open so that what programs print remains readable when they have ended.
    private let held: FileHandle

    init() throws {
        var ends: (Int32, Int32) = (-1, -1)
        var name = [CChar](repeating: 0, count: 128)
        guard openpty(&ends.0, &ends.1, &name, nil, nil) == 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
        for end in [ends.0, ends.1] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        path = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        keyboard = FileHandle(fileDescriptor: ends.0, closeOnDealloc: true)
        held = FileHandle(fileDescriptor: ends.1, closeOnDealloc: true)
        keyboard.readabilityHandler = { [weak self] handle in
            let data = handle.availableData
            self?.screen.withLock { $0 += data }
        }
    }

    deinit { keyboard.readabilityHandler = nil }

    /// All that was shown so far, control characters included.
    var text: String { screen.withLock { String(decoding: $0, as: UTF8.self) } }

    /// Whether the terminal shows what is typed.
    var isEchoing: Bool {
        var mode = termios()
        return tcgetattr(held.fileDescriptor, &mode) == 0 && mode.c_lflag & tcflag_t(ECHO) != 0
    }

    /// Types text; `\n` is the Enter key, `\u{3}` is Ctrl-C.
    func type(_ text: String) throws {
        try keyboard.write(contentsOf: Data(text.utf8))
    }

    /// Waits until the terminal shows a text, which a program prints.
    func wait(toShow text: String, count: Int = 1, by program: Program) async throws {
        do {
            try await EndToEndTests.wait(for: "'\(text)' on the terminal") {
                let running = program.isRunning
                return self.text.components(separatedBy: text).count > count || !running
            }
        } catch let error as TimedOut {
            throw TimedOut(description: "\(error.description); it shows:\n\(self.text)")
        }
        guard self.text.components(separatedBy: text).count > count else {
            throw TimedOut(description: "\(program.arguments) ended without '\(text)':\n\(self.text)")
        }
    }
}
