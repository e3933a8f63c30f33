internal import Synchronization
internal import XMPP

/// The task of a host: takes the requests of the host one after the other, and does its jobs beside them, so that both go
/// on when whoever asked for something has been cancelled.
final class HostTask: Sendable {
    typealias Job = @Sendable () async -> Void

    private let running = Mutex<Task<Void, Never>?>(nil)
    private let jobs = AsyncStream.makeStream(of: Job.self)

    /// Begins. Call it once.
    ///
    /// - Parameter disconnected: is called when there will be no more requests.
    func start(
        _ requests: AsyncStream<IQ>, take: @escaping @Sendable (IQ) async -> Void, disconnected: @escaping Job
    ) {
        let jobs = jobs.stream
        let task = Task {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    for await request in requests { await take(request) }
                    await disconnected()
                }
                for await job in jobs { group.addTask { await job() } }
                group.cancelAll()
            }
        }
        let former = running.withLock { running in
            defer { running = task }
            return running
        }
        precondition(former == nil, "a host is started once")
    }

    /// Does a job beside the others.
    func perform(_ job: @escaping Job) { jobs.continuation.yield(job) }

    /// Ends when the jobs that are under way have ended or taken notice; returns then, also in a task that was cancelled.
    func stop() async {
        jobs.continuation.finish()
        await running.withLock { $0 }?.value
    }
}
