import Jingle
import Transports
import XMPP

extension TransportNegotiation {
    /// What the end of the session means. Where another client found no path, what was found here is told too; a sleigh
    /// tells all that.
    func cause(of end: JingleSessionEnd, peer: JID, _ position: TransferPosition) async -> TransferError {
        let error = TransferError(
            end, peer: peer, byteCount: position.byteCount, isConnected: position.isConnected)
        guard case .noPath(let theirs) = error, case .peer = end, peerFingerprint == nil else { return error }
        return .noPath(await obstacles() + theirs.map { "the other client gave up: \($0)" })
    }

    /// Finds a way for the content of a session, and the stream on it that the initiator opens first.
    ///
    /// - Parameters:
    ///   - accepted: tells an initiator that the peer has accepted the session.
    ///   - limit: how long that may take.
    ///   - position: is told that there is a way.
    /// - Throws: `TransferError`, `TransportFailure`, `CancellationError`, what the trust in devices throws.
    func firstStream(
        of content: ContentID, in session: JingleSessionHandle, as role: JingleRole, accepted: AsyncStream<Void>,
        within limit: Duration = OutgoingFile.answerTimeout, position: TransferPosition
    ) async throws -> (connection: any PeerConnection, stream: any ByteStream) {
        do {
            let first: (any PeerConnection, any ByteStream)
            switch role {
            case .initiator:
                let answer: Void? = try await answeringProposals {
                    try await accepted.first(within: limit)
                }
                guard answer != nil else { throw TransferError.notAnswered(session.peer) }
                let connection = try await connect()
                first = (connection, try await connection.openStream(contentName: content.name))
            case .responder:
                let (connection, name, stream) = try await acceptStream()
                guard name == content.name else {
                    stream.reset(code: StreamErrorCode.notAsNegotiated.rawValue)
                    throw TransferError.protocolViolation("the peer opened a stream for another content")
                }
                first = (connection, stream)
            }
            position.connect()
            return first
        } catch let error as ByteStreamError {
            throw try await position.interruption(by: error, peer: session.peer)
        }
    }
}
