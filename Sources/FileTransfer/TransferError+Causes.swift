// XEP-0166 § 7.4 and XEP-0234 § 4: what an end means to the user, and what an error of ours means to the peer.
import Jingle
import Transports
import XMPP

extension TransferError {
    /// What the end of a session means that was not expected yet.
    ///
    /// - Parameter isConnected: whether the bytes had a path already.
    init(_ end: JingleSessionEnd, peer: JID, byteCount: Int64, isConnected: Bool) {
        switch end {
        case .local:
            self = .interrupted(byteCount: byteCount, "it was ended here")
        case .failed(_, .refused(let error)):
            switch error.condition {
            case .itemNotFound, .recipientUnavailable, .serviceUnavailable, .gone: self = .peerOffline(peer)
            case .remoteServerNotFound, .remoteServerTimeout: self = .peerNotFound(peer, error)
            default: self = .peerFailed("it answered \(error.condition.rawValue)")
            }
        case .failed(_, .unanswered):
            self = .peerOffline(peer)
        case .peer(let reason):
            switch reason?.condition {
            case .decline, .busy: self = .declined(peer, reason?.text)
            case .cancel where !isConnected: self = .declined(peer, reason?.text ?? "cancelled there")
            case .cancel: self = .interrupted(byteCount: byteCount, reason?.text ?? "cancelled by the peer")
            case .mediaError: self = .checksumMismatch
            case .securityError: self = .refusedAsInsecure(peer, reason?.text)
            case .unsupportedApplications, .unsupportedTransports, .incompatibleParameters:
                self = .peerUnable(peer, reason?.text ?? "it cannot use what was offered")
            case .failedTransport where !isConnected:
                self = .noPath((reason?.text ?? "the peer found none").split(separator: ";").map(\.trimmedAtStart))
            case .gone where !isConnected: self = .peerOffline(peer)
            case .failedTransport:
                self = .interrupted(byteCount: byteCount, reason?.text ?? "the peer lost the connection")
            case .connectivityError:
                self = .pathLost(byteCount: byteCount, reason?.text ?? "the peer lost the connection")
            case .success, .gone, .timeout, .expired, .alternativeSession, nil:
                self = .interrupted(byteCount: byteCount, reason?.text ?? "the peer ended the session")
            case .failedApplication, .generalError:
                self = .peerFailed(reason?.text ?? "it gave no reason")
            }
        }
    }

    /// What an error of the parts below means to the user.
    static func cause(of error: any Error, peer: JID) -> any Error {
        switch error {
        case let failure as TransportFailure: TransferError(failure, peer: peer)
        case JingleCommandError.outOfOrder: TransferError.withdrawn(peer)
        case let error as JingleCommandError: TransferError.protocolViolation("\(error)")
        default: error
        }
    }

    /// What it means that there is no connection.
    init(_ failure: TransportFailure, peer: JID) {
        switch failure {
        case .unusableDescription(let what): self = .protocolViolation("the peer signalled \(what)")
        case .noPath(let reasons): self = .noPath(reasons)
        case .peerNotAuthenticated: self = .peerNotAuthenticated(peer)
        case .noFingerprint: self = .notEncrypted(peer)
        case .unavailable(let why): self = .noPath([why])
        case .noStream: self = .interrupted(byteCount: 0, "the sender is connected but sends nothing")
        }
    }

    /// What it means that a stream ended before its time.
    init(_ error: ByteStreamError, peer: JID, byteCount: Int64) {
        switch error {
        case .reset(let code):
            let why =
                switch StreamErrorCode(rawValue: code) {
                case .cancelled?: "cancelled by the peer"
                case .receiverCannotStore?: "the receiver cannot store it"
                case .senderCannotRead?: "the sender cannot read it"
                case .notAsNegotiated?, nil: "the peer stopped it"
                }
            self = .interrupted(byteCount: byteCount, why)
        case .pathLost(let why), .closed(let why): self = .pathLost(byteCount: byteCount, why)
        case .peerNotAuthenticated: self = .peerNotAuthenticated(peer)
        }
    }
}

extension Reason {
    /// The reason a session is ended for, because of an error of ours.
    ///
    /// - Parameter tellsPaths: whether the peer may learn why each path failed, which says something about our network.
    init(ending error: any Error, tellsPaths: Bool = false) {
        switch error {
        case is CancellationError: self.init(.cancel)
        case TransferError.checksumMismatch: self.init(.mediaError)
        case LocalFileError.wrongDigest: self.init(.mediaError)
        case TransferError.peerNotAuthenticated:
            self.init(.securityError, text: "its certificate is not the one whose fingerprint was announced")
        case TransferError.notEncrypted:
            self.init(.securityError, text: "a path without end-to-end encryption is not accepted here")
        case TransferError.deviceChanged:
            self.init(.securityError, text: "it comes with another certificate than before")
        case TransferError.noPath(let reasons):
            self.init(.failedTransport, text: tellsPaths ? reasons.joined(separator: "; ") : nil)
        case TransferError.peerUnable: self.init(.unsupportedTransports)
        case TransferError.protocolViolation: self.init(.incompatibleParameters)
        case TransferError.interrupted, TransferError.pathLost: self.init(.connectivityError)
        case LocalFileError.noSpace: self.init(.failedApplication, text: "there is not enough space")
        case LocalFileError.changedWhileReading:
            self.init(.failedApplication, text: "the file changed while it was being sent")
        case TransferError.notAnswered: self.init(.timeout)
        case is LocalFileError: self.init(.failedApplication, text: "the file cannot be read or stored")
        default: self.init(.generalError)
        }
    }
}

extension StreamErrorCode {
    /// The code a stream is aborted with, because of an error of ours.
    init(ending error: any Error) {
        self =
            switch error {
            case LocalFileError.changedWhileReading: .senderCannotRead
            case is LocalFileError: .receiverCannotStore
            case is TransferError: .notAsNegotiated
            default: .cancelled
            }
    }
}

extension Substring {
    fileprivate var trimmedAtStart: String { String(drop { $0 == " " }) }
}
