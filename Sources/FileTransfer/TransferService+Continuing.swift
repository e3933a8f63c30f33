// Wire/File-Continuation.md and Wire/Stream-Continuation.md: going on in another session when a path is lost.
import Client
import Jingle
import Transports
import XMPP

extension TransferService {
    /// How long there may be no answer at all, from the loss of the path on: what took the path may have taken the way to the
    /// server for a while, too.
    static let continuationTimeout = Duration.seconds(60)
    /// How long a device may take to say that it is there; also while our own stream has no connection.
    private static let inquiryTimeout = Duration.seconds(10)

    /// What is known of a device with which something is to go on.
    enum Readiness: Sendable {
        /// It is there, and can go on.
        case ready
        /// Nothing was heard of it. Its stream to the server may be without a connection, and then what is asked waits
        /// there.
        case unknown
        /// It is not there, or cannot go on; or the stream to the server is over.
        case gone
    }

    /// Asks whether a device is there, and can go on with what it has begun.
    ///
    /// - Throws: `CancellationError`.
    func readiness(of device: JID, for application: TransferApplication) async throws -> Readiness {
        guard let feature = application.continuation else { return .gone }
        do {
            let info = try await within(Self.inquiryTimeout) {
                try await client.discover(device, timeout: Self.inquiryTimeout, isFresh: true)
            }
            return info.map { $0.has(feature) ? .ready : .gone } ?? .unknown
        } catch StanzaChannelError.timedOut {
            return .unknown
        } catch {
            try Task.checkCancellation()
            return .gone
        }
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
                let deadline = ContinuousClock.now + Self.continuationTimeout
                var readiness = try await readiness(of: next.session.peer, for: application)
                if readiness != .gone { report(.pathLost(next.why)) }
                while readiness == .unknown, .now < deadline {
                    readiness = try await self.readiness(of: next.session.peer, for: application)
                }
                guard readiness == .ready else { throw next.interruption() }
                try await Task.sleep(for: next.pause)
                loss = next
            }
        }
    }
}
