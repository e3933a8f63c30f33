internal import Glibc

/// A lock on which threads can also wait for a change.
///
/// `Synchronization.Mutex` has no such wait, and worker threads have nothing else to do.
final class ThreadLock: @unchecked Sendable {
    // @unchecked: owns the two C objects at a fixed address; they are made for sharing.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    func withLock<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Waits for ``announce()``; only while the lock is held, which it lets go meanwhile.
    func wait() { pthread_cond_wait(changed, mutex) }

    /// Wakes every waiting thread.
    func announce() { pthread_cond_broadcast(changed) }
}
