// Wire/File-Continuation.md and Wire/Stream-Continuation.md: going on in another session when a path is lost.
import Client
import Jingle
import XMPP

extension TransferService {
    /// Whether a device is there, and can go on with what it has begun.
    ///
    /// - Throws: `CancellationError`.
    func canContinue(_ application: TransferApplication, with device: JID) async throws -> Bool {
        let info = try? await client.discover(device, isFresh: true)
        try Task.checkCancellation()
        guard let info, let feature = application.continuation else { return false }
        return info.has(feature)
    }

    /// Makes a session, and another one each time the path is lost, as long as that helps.
    ///
    /// - Parameter attempt: makes a session, which goes on with the one that was lost if there is one.
    /// - Throws: what `attempt` throws, or the interruption when nothing follows.
    func goingOn<Value: Sendable>(
        _ application: TransferApplication, _ record: TransferRecord, report: (TransferEvent) -> Void,
        _ attempt: (TransferRecord.Loss?) async throws -> Value
    ) async throws -> Value {
        var loss: TransferRecord.Loss?
        while true {
            do {
                return try await attempt(loss)
            } catch {
                let next = try record.loss(after: error)
                guard try await canContinue(application, with: next.session.peer) else { throw next.interruption() }
                report(.pathLost(next.why))
                loss = next
            }
        }
    }
}
