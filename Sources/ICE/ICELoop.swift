internal import CNice
internal import Glibc

/// The one thread on which libnice runs: timers, checks, received datagrams and callbacks.
///
/// Make one for the process and hand it to every ``ICEAgent``. The thread ends after the last reference (the
/// agents hold one until they are torn down) has gone. Nothing may block on this thread.
public final class ICELoop: @unchecked Sendable {
    // @unchecked: owns a GMainContext and a GMainLoop, both of which lock for themselves.

    private let context: OpaquePointer
    private let loop: OpaquePointer
    private let thread: UnsafeMutablePointer<GThread>

    /// Starts the thread.
    ///
    /// - Throws: ``ICEError/noThread``.
    public init() throws(ICEError) {
        guard let context = g_main_context_new() else { throw .noThread }
        guard let loop = g_main_loop_new(context, 0) else {
            g_main_context_unref(context)
            throw .noThread
        }
        // The thread has a reference of its own, so it may outlive this object for a moment.
        let body = UnsafeMutableRawPointer(g_main_loop_ref(loop))
        guard let thread = g_thread_try_new("ice", runLoop, body, nil) else {
            g_main_loop_unref(loop)
            g_main_loop_unref(loop)
            g_main_context_unref(context)
            throw .noThread
        }
        self.context = context
        self.loop = loop
        self.thread = thread
        // libnice writes warnings, of a name without an address for example, to the user's terminal.
        g_log_set_handler(
            "libnice", GLogLevelFlags(rawValue: G_LOG_LEVEL_WARNING.rawValue | G_LOG_LEVEL_MESSAGE.rawValue),
            logIgnored, nil)
    }

    deinit {
        // g_main_loop_quit before the loop runs would be lost, so the loop quits itself.
        let source = g_idle_source_new()
        g_source_set_priority(source, G_PRIORITY_LOW)
        g_source_set_callback(source, quitLoop, UnsafeMutableRawPointer(loop), nil)
        g_source_attach(source, context)
        g_source_unref(source)
        if isCurrent {
            g_thread_unref(thread)
        } else {
            g_thread_join(thread)
        }
        g_main_loop_unref(loop)
        g_main_context_unref(context)
    }

    /// The context for libnice's own sources.
    var mainContext: OpaquePointer { context }

    /// Whether the caller runs on the loop's thread.
    var isCurrent: Bool { g_thread_self() == thread }

    /// Runs a closure on the loop's thread, after those handed over before it.
    func perform(_ body: @escaping @Sendable () -> Void) {
        attach(g_idle_source_new(), body)
    }

    /// Runs a closure on the loop's thread after a delay.
    func perform(after delay: Duration, _ body: @escaping @Sendable () -> Void) {
        let (seconds, attoseconds) = delay.components
        let milliseconds = seconds.clamped(to: 0...86_400) * 1000 + attoseconds / 1_000_000_000_000_000
        attach(g_timeout_source_new(guint(max(0, milliseconds))), body)
    }

    /// Runs a closure on the loop's thread and waits for it; runs it at once if this is the loop's thread.
    func performAndWait<Result: Sendable>(_ body: @escaping @Sendable () -> Result) -> Result {
        if isCurrent { return body() }
        let answer = Answer<Result>()
        perform { answer.give(body()) }
        return answer.take()
    }

    private func attach(_ source: UnsafeMutablePointer<GSource>?, _ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(ClosureBox(body: body)).toOpaque()
        g_source_set_priority(source, G_PRIORITY_DEFAULT)
        g_source_set_callback(source, runClosure, box, releaseClosure)
        g_source_attach(source, context)
        g_source_unref(source)
    }
}

private final class ClosureBox: Sendable {
    let body: @Sendable () -> Void
    init(body: @escaping @Sendable () -> Void) { self.body = body }
}

/// One value handed from the loop's thread to a waiting one.
private final class Answer<Value: Sendable>: @unchecked Sendable {
    // @unchecked: the value is written before the semaphore is posted and read after it was waited for.
    private var value: Value?
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func give(_ value: Value) {
        self.value = value
        sem_post(semaphore)
    }

    func take() -> Value {
        while sem_wait(semaphore) != 0 {}
        guard let value else { preconditionFailure("the semaphore is posted after the value is there") }
        return value
    }
}

extension Int64 {
    fileprivate func clamped(to range: ClosedRange<Int64>) -> Int64 {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}

private func runLoop(_ data: gpointer?) -> gpointer? {
    let loop = OpaquePointer(data)
    let context = g_main_loop_get_context(loop)
    g_main_context_push_thread_default(context)
    g_main_loop_run(loop)
    g_main_context_pop_thread_default(context)
    g_main_loop_unref(loop)
    return nil
}

private func quitLoop(_ data: gpointer?) -> gboolean {
    g_main_loop_quit(OpaquePointer(data))
    return 0
}

private func runClosure(_ data: gpointer?) -> gboolean {
    if let data { Unmanaged<ClosureBox>.fromOpaque(data).takeUnretainedValue().body() }
    return 0
}

private func releaseClosure(_ data: gpointer?) {
    if let data { Unmanaged<ClosureBox>.fromOpaque(data).release() }
}
