import Glibc
import Synchronization

/// Turns SIGINT, SIGTERM and SIGHUP into the cancellation of the running command, so that it can tell its peer.
enum Interruption {
    private static let signals: sigset_t = {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // Under nohup the end of the terminal is not to end us.
            var action = sigaction()
            if signal == SIGHUP, sigaction(signal, nil, &action) == 0, isIgnored(action) { continue }
            sigaddset(&set, signal)
        }
        return set
    }()

    private static func isIgnored(_ action: sigaction) -> Bool {
        // SIG_IGN is 1, which Swift cannot compare as a function.
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self) == 1
    }

    /// Keeps the signals from ending the process. Must be called before the first thread is made, since threads
    /// inherit it.
    static func hold() {
        var set = signals
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Runs a command; the first signal cancels its task, the second ends the process at once.
    static func run(_ command: @escaping @Sendable () async throws -> Void) async throws {
        let task = Task { try await command() }
        let handler = Handler(cancel: { task.cancel() })
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
        private let cancel: @Sendable () -> Void

        init(cancel: @escaping @Sendable () -> Void) { self.cancel = cancel }

        func serve() {
            var set = Interruption.signals
            var signal: Int32 = 0
            while sigwait(&set, &signal) != 0 {}
            cancel()
            while sigwait(&set, &signal) != 0 {}
            _exit(ExitStatus.interruptedByUser.rawValue)
        }
    }
}
