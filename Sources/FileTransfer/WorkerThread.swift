internal import CLinux
internal import Glibc

/// Threads for work that waits for a disk, which must not wait on the threads of Swift's concurrency.
enum WorkerThread {
    /// Runs a closure on a thread of its own, which ends with it.
    ///
    /// Signals are never delivered to it: so a write beyond the file size limit fails instead of ending the process.
    static func start(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let box = Unmanaged.passRetained(Body(body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))

        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }

        var thread = pthread_t()
        let code = pthread_create(&thread, &attributes, runWorkerThread, box.toOpaque())
        if code != 0 {
            box.release()
            throw SystemError(code)
        }
    }

    /// Runs a closure on a thread of its own and returns what it returns.
    ///
    /// It is not cut short when the calling task is cancelled: what it does to the disk is complete either way.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(LocalFileError) -> Value
    ) async throws(LocalFileError) -> Value {
        let outcome = Outcome<Value>()
        do {
            try start { outcome.settle(Result { () throws(LocalFileError) in try body() }) }
        } catch {
            throw .failed(action: "start", path: "a thread", error: error)
        }
        return try await outcome.valueDespiteCancellation()
    }

    fileprivate final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}

private func runWorkerThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<WorkerThread.Body>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
