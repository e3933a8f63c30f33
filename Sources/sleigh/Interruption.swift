import Glibc
import Synchronization

/// Turns SIGINT, SIGTERM and SIGHUP into the cancellation of the running command, so that it can tell its peer.
///
/// With handlers, not with blocked signals and `sigwait`: an `async` main program leaves its first thread to
/// libdispatch, which lets every signal through there.
enum Interruption {
    /// Keeps the signals from ending the process; they wait for ``run(_:)``.
    static func hold() {
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        signalReader = ends[0]
        signalWriter.store(ends[1], ordering: .relaxed)
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            var action = sigaction()
            // Under nohup the end of the terminal is not to end us.
            if signal == SIGHUP, sigaction(signal, nil, &action) == 0, action.isIgnored { continue }
            action = sigaction()
            action.__sigaction_handler.sa_handler = noteSignal
            action.sa_flags = SA_RESTART
            sigaction(signal, &action, nil)
        }
    }

    /// Runs a command; the first signal cancels its task, the second ends the process at once.
    static func run(_ command: @escaping @Sendable () async throws -> Void) async throws {
        let task = Task { try await command() }
        let handler = Handler(reader: signalReader, cancel: { task.cancel() })
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Handler>.fromOpaque(context).takeRetainedValue().serve()
                return nil
            }, Unmanaged.passRetained(handler).toOpaque())
        pthread_detach(thread)
        try await task.value
    }

    private final class Handler: Sendable {
        private let reader: Int32
        private let cancel: @Sendable () -> Void

        init(reader: Int32, cancel: @escaping @Sendable () -> Void) {
            self.reader = reader
            self.cancel = cancel
        }

        func serve() {
            guard awaitSignal() else { return }
            cancel()
            guard awaitSignal() else { return }
            _exit(ExitStatus.interruptedByUser.rawValue)
        }

        private func awaitSignal() -> Bool {
            var byte: UInt8 = 0
            while true {
                let count = read(reader, &byte, 1)
                if count < 0, errno == EINTR { continue }
                return count == 1
            }
        }
    }
}

/// Where ``noteSignal(_:)`` writes to; set before there are handlers, and only then.
private let signalWriter = Atomic<Int32>(-1)
/// The other end; set before there are other threads.
nonisolated(unsafe) private var signalReader: Int32 = -1

/// Only calls what a signal handler may: write.
private func noteSignal(_ signal: Int32) {
    let before = errno
    var byte: UInt8 = 0
    _ = write(signalWriter.load(ordering: .relaxed), &byte, 1)
    errno = before
}

extension sigaction {
    fileprivate var isIgnored: Bool {
        // SIG_IGN is the number 1, which Swift cannot compare with a function.
        unsafeBitCast(__sigaction_handler.sa_handler, to: UInt.self) == 1
    }
}
