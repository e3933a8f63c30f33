// Wire/Stream.md: opening a stream.
import Jingle
public import XMPP

/// Opens streams to peers.
public struct StreamOpener: Sendable {
    let service: TransferService
    /// Where what happens is told.
    let report: @Sendable (TransferEvent) -> Void

    /// Creates an opener.
    ///
    /// - Parameter report: takes what happens, from any task; must not block.
    public init(service: TransferService, report: @escaping @Sendable (TransferEvent) -> Void) {
        self.service = service
        self.report = report
    }

    /// Joins standard input and output to a peer, and returns once both directions are over and each side's program has
    /// everything. When the path is lost midway it goes on over another. With another client, where that is permitted, nothing comes to standard output.
    ///
    /// - Parameter target: the bare address of a person, whose devices are asked, or the full address of a device.
    /// - Throws: `TransferError`, `LocalFileError`, `StanzaChannelError`, or `CancellationError`; the peer is told.
    public func open(to target: JID) async throws -> StreamSummary {
        let joint = StreamJoint()
        let record = TransferRecord(started: .now) { joint.progress }
        return try await joint.run {
            try await service.goingOn(.stream, record, report: report) { loss in
                try await open(to: loss?.session.peer ?? target, continuing: loss?.session, joint, record)
            }
        }
    }

    private func open(
        to target: JID, continuing continued: JingleSessionID?, _ joint: StreamJoint, _ record: TransferRecord
    ) async throws -> StreamSummary {
        let outgoing = OutgoingSession(
            service: service, application: .stream, description: .stream, senders: .both, continued: continued,
            report: report)
        return try await outgoing.run(to: target) { [service, report] offered in
            try await StreamSession(
                service: service, session: offered.session, content: offered.content,
                negotiation: offered.negotiation, role: .initiator,
                flow: offered.peer.takesOneWayStreams ? .outgoing : .both, target: .standard, joint: joint,
                record: record, report: report
            ).run()
        }
    }
}
