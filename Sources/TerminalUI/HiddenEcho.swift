internal import Glibc
internal import Synchronization

/// A terminal that does not show what is typed, until ``restore()`` or until the process ends.
///
/// Signals that would end the process restore the terminal first. A signal for which the program has a handler of its
/// own is left to that.
struct HiddenEcho: ~Copyable {
    /// Signals that a person or the system ends a program with.
    private static let fatalSignals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    private let replaced: [(signal: Int32, action: sigaction)]

    init(_ descriptor: Int32) throws(PromptError) {
        guard isEchoHidden.exchange(true, ordering: .acquiring) == false else { throw .busy }
        var mode = termios()
        guard tcgetattr(descriptor, &mode) == 0 else {
            isEchoHidden.store(false, ordering: .releasing)
            throw .noTerminal
        }
        savedMode.pointee = SavedMode(descriptor: descriptor, mode: mode)
        Self.restoreAtExit

        var replaced: [(signal: Int32, action: sigaction)] = []
        for signal in Self.fatalSignals {
            var before = sigaction()
            guard sigaction(signal, nil, &before) == 0 else { continue }
            // Swift's runtime shows a backtrace on SIGQUIT; that is not a handler of the program's own.
            guard before.isDefault || signal == SIGQUIT else { continue }
            var action = sigaction()
            action.__sigaction_handler.sa_handler = restoreAndEnd
            sigaction(signal, &action, nil)
            replaced.append((signal, before))
        }
        self.replaced = replaced

        mode.c_lflag &= ~tcflag_t(ECHO | ECHONL)
        tcsetattr(descriptor, TCSANOW, &mode)
    }

    /// Shows again what is typed.
    consuming func restore() {
        restoreSavedMode()
        for (signal, action) in replaced {
            var action = action
            sigaction(signal, &action, nil)
        }
        isEchoHidden.store(false, ordering: .releasing)
    }

    private static let restoreAtExit: Void = {
        atexit { if isEchoHidden.load(ordering: .acquiring) { restoreSavedMode() } }
    }()
}

private struct SavedMode {
    var descriptor: Int32
    var mode: termios
}

private let isEchoHidden = Atomic(false)

/// What to restore; valid while `isEchoHidden`. Fixed memory, since a signal handler reads it.
nonisolated(unsafe) private let savedMode = {
    let memory = UnsafeMutablePointer<SavedMode>.allocate(capacity: 1)
    memory.initialize(to: SavedMode(descriptor: -1, mode: termios()))
    return memory
}()

/// Only calls what a signal handler may: tcsetattr.
private func restoreSavedMode() {
    tcsetattr(savedMode.pointee.descriptor, TCSANOW, &savedMode.pointee.mode)
}

/// The handler of the fatal signals: restores, then lets the signal do what it would have done.
private func restoreAndEnd(_ signal: Int32) {
    restoreSavedMode()
    Glibc.signal(signal, SIG_DFL)
    raise(signal)
}

extension sigaction {
    /// Whether the signal does what the system does with it by itself.
    fileprivate var isDefault: Bool {
        unsafeBitCast(__sigaction_handler.sa_handler, to: Int.self) == 0
    }
}
