import Glibc

/// Turns SIGINT, SIGTERM and SIGHUP into the cancellation of a command, so that it can tell its peer.
enum Interruption {
    /// Runs a command to its end on other threads, while this one waits for signals: the first cancels the command,
    /// the second ends the process at once.
    ///
    /// It must be called on the main thread before any other is made, since threads inherit which signals are held
    /// back; and the main thread must not be left to Dispatch, which would let them all through.
    static func run(_ command: @escaping @Sendable () async -> ExitStatus) -> Never {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // Under nohup the end of the terminal is not to end us.
            var action = sigaction()
            if signal == SIGHUP, sigaction(signal, nil, &action) == 0, isIgnored(action) { continue }
            sigaddset(&signals, signal)
        }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
        let task = Task.detached { exit(await command().rawValue) }
        var signal: Int32 = 0
        while sigwait(&signals, &signal) != 0 {}
        task.cancel()
        while sigwait(&signals, &signal) != 0 {}
        _exit(ExitStatus.interruptedByUser.rawValue)
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        // SIG_IGN is 1, which Swift cannot compare as a function.
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self) == 1
    }
}
