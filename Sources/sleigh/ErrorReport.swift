import Client
import FileTransfer
import Glibc
import Jingle
import SecureChannels
import TerminalUI
import Transports
import XMPP

/// The one place that turns errors into words, a hint and an exit code.
enum ErrorReport {
    /// What the user is told about an error.
    ///
    /// - Parameter direction: which way the file went; it decides who has to send it again.
    static func failure(for error: any Error, direction: TransferProgress.Direction = .out) -> Failure {
        switch error {
        case let failure as Failure: failure
        case let error as ClientError: failure(for: error)
        case let error as TransferError: failure(for: error, direction)
        case let error as LocalFileError: failure(for: error)
        case let error as ForwardError: failure(for: error)
        case let error as StanzaChannelError: failure(for: error)
        case let error as StanzaError:
            Failure("the server answered \(error.condition.rawValue)", code: .failed)
        case is CancellationError: Failure("interrupted", code: .interruptedByUser)
        case PromptError.ended: Failure("interrupted", code: .interruptedByUser)
        default: Failure(printable("\(error)"), code: .failed)
        }
    }

    /// Text as a sentence: with a capital and a full stop.
    static func sentence(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : ".")
    }

    private static func failure(for error: ClientError) -> Failure {
        let hint: String? =
            switch error {
            case .notAnAccount, .domainNotASCII: "Write the account like you@example.org."
            case .dnsFailed, .noService: "Check the address; --server HOST:PORT connects without asking DNS."
            case .connectFailed, .timedOut(.connecting, _): "Check the network, and the server with --server HOST:PORT."
            case .tlsFailed(_, .certificateRefused):
                "If the server has a certificate authority of its own, name its file with --ca-file."
            case .tlsFailed(_, .authorityFileUnusable): "--ca-file wants certificates in PEM form."
            case .tlsFailed(_, .protocolFailure):
                "Is it the right port? Direct TLS is written tls:HOST:PORT, and usually 5223; 5222 is for STARTTLS."
            case .streamError(.hostUnknown): "That server does not serve the domain: check the address and --server."
            case .tlsFailed, .timedOut, .unresponsive, .closed, .notResumed, .protocolFailure, .streamError:
                "Try again later."
            case .startTLSNotOffered: "Sleigh never logs in without encryption. Ask whoever runs the server."
            case .authenticationFailed(.notAuthorized): "Check the address, and run sleigh login again."
            case .serverNotAuthentic: "Do not give it the password; ask whoever runs the server."
            case .replaced: "Another sleigh on this device may be waiting; give this one a name with --resource."
            case .authenticationFailed, .noMechanism, .unusableCredentials, .bindFailed, .cancelled: nil
            }
        switch error {
        case .cancelled: return Failure("interrupted", code: .interruptedByUser)
        case .notAnAccount, .domainNotASCII: return Failure(error.description, hint: hint, code: .usage)
        case .tlsFailed(_, .authorityFileUnusable): return Failure(error.description, hint: hint, code: .localFile)
        case .tlsFailed(_, .certificateRefused), .startTLSNotOffered, .serverNotAuthentic:
            return Failure(error.description, hint: hint, code: .insecure)
        default: return Failure(error.description, hint: hint, code: .serverUnreachable)
        }
    }

    private static func failure(for error: TransferError, _ direction: TransferProgress.Direction) -> Failure {
        let again =
            switch direction {
            case .out: "Send the file again: it goes on where it stopped."
            case .in: "Have the file sent again: it goes on where it stopped."
            case .both: "What has arrived may not be all."
            case .measured: "Measure again."
            case .forwarded: "Try again."
            }
        func name(_ peer: JID) -> String { printable(peer.description) }
        func words(_ text: String?) -> String { text.map { ": " + printable($0) } ?? "" }
        switch error {
        case .peerNotFound(let peer, let cause):
            let why =
                switch cause.condition {
                case .serviceUnavailable, .itemNotFound: "there is no such account, or it takes no messages"
                case .remoteServerNotFound, .remoteServerTimeout, .notAllowed: "its server cannot be reached from yours"
                default: "the server answered \(cause.condition.rawValue)"
                }
            return Failure(
                "\(name(peer)) cannot be reached: \(why)", hint: "Check the address.", code: .peerUnavailable)
        case .peerOffline(let peer):
            return Failure(
                peer.isBare ? "no device of \(name(peer)) answers" : "\(name(peer)) does not answer",
                hint: direction.command.map { "Is \($0) running there, as that address?" }
                    ?? "Is sleigh receive running there, as that address, or another client that takes files?",
                code: .peerUnavailable)
        case .peerUnable(let peer, let why):
            return Failure(
                "\(name(peer)) cannot take part: \(printable(why))",
                hint: direction.command.map { "It needs \($0)." }
                    ?? "sleigh check \(name(peer.bare)) shows what each device there can do.",
                code: .peerUnavailable)
        case .notAnswered(let peer, let caveat):
            return Failure(
                "\(name(peer)) is there, but nobody accepted in time",
                hint: caveat.map { "\($0)." } ?? "Ask them, and try again.",
                code: .peerUnavailable)
        case .declined(let peer, let why):
            return Failure("\(name(peer.bare)) declined\(words(why))", hint: "Ask them first.", code: .declined)
        case .withdrawn(let peer):
            return Failure("\(name(peer)) withdrew the offer", hint: "Nothing was stored.", code: .failed)
        case .noPath(let reasons):
            return Failure(
                "no path to the peer could be established" + reasons.map { "\n        - " + printable($0) }.joined(),
                hint:
                    "With sleigh on both sides, without --path and --relay-only, there are more. sleigh check shows what the server adds.",
                code: .noPath)
        case .interrupted(let byteCount, let why), .pathLost(let byteCount, let why):
            return Failure(
                "interrupted after \(Format.bytes(UInt64(max(0, byteCount)))): \(printable(why))",
                hint: again, code: .interruptedTransfer)
        case .checksumMismatch:
            return Failure(
                "the file that arrived is not the one that was sent", hint: "It was deleted there. Send it again.",
                code: .insecure)
        case .peerNotAuthenticated(let peer):
            return Failure(
                "\(name(peer)) does not have the certificate whose fingerprint was announced",
                hint: "Somebody between you may be interfering. Nothing was sent or stored.", code: .insecure)
        case .notEncrypted(let peer):
            return Failure(
                "there is no end-to-end encrypted path to \(name(peer))",
                hint: """
                    With sleigh on both sides there is; if it runs there, somebody between you may be interfering. To send \
                    to another client without it, name the device: ADDRESS/DEVICE\
                    \(direction == .both ? ", and give --allow-unencrypted" : ""). Nothing was sent or stored.
                    """, code: .insecure)
        case .refusedAsInsecure(let peer, let why):
            return Failure(
                "\(name(peer)) does not trust this device\(words(why))",
                hint: "See what is said there. Nothing was sent or stored.", code: .insecure)
        case .deviceChanged(let peer, let known, let presented):
            let file = (try? KnownDevices().path) ?? "known_devices"
            return Failure(
                """
                the certificate of \(name(peer)) has changed
                        known:     \(printable(known))
                        presented: \(presented)
                """,
                hint: "If you know why, remove its line from \(file). Nothing was sent or stored.", code: .insecure)
        case .protocolViolation(let what):
            return Failure(
                "the peer's client misbehaves: \(printable(what))", hint: "Do both sides have the same version?",
                code: .failed)
        case .peerFailed(let why):
            return Failure(
                "the transfer failed on the other side: \(printable(why))", hint: "See what is said there.",
                code: .failed)
        case .serverConnectionLost(let why):
            return Failure(
                "the connection to the XMPP server was lost: \(printable(why))", hint: "Try again.",
                code: .serverUnreachable)
        }
    }

    private static func failure(for error: LocalFileError) -> Failure {
        let hint =
            switch error {
            case .notFound(let path) where path.contains("\u{FFFD}"):
                "If its name is not UTF-8, rename it: XMPP carries no other names."
            case .notRegularFile(_, .folder): "Send an archive of it, made with tar."
            case .notFound, .notRegularFile, .notFolder: "Check the path."
            case .permissionDenied, .readOnly, .exists: "Choose another folder with --into, or change its permissions."
            case .changedWhileReading: "Send it again once nothing writes to it."
            case .noSpace, .quotaExceeded, .tooLarge: "Make room, or choose another folder with --into."
            case .noFreeName: "Tidy the folder up, or choose another one with --into."
            case .moreThanOffered, .wrongSize, .wrongDigest: "Have it sent again."
            case .aborted, .failed: "Try again."
            }
        let code: ExitStatus =
            switch error {
            case .wrongDigest, .moreThanOffered: .insecure
            case .wrongSize: .interruptedTransfer
            default: .localFile
            }
        return Failure(printable(error.description, columns: 1000), hint: hint, code: code)
    }

    private static func failure(for error: ForwardError) -> Failure {
        switch error {
        case .cannotListen(let address, let why):
            Failure(
                "nothing can listen at \(printable(address.description)): \(printable(why))",
                hint: "Choose another address, or end what uses it.", code: .localFile)
        case .refused(let address, let reason):
            Failure(
                "the peer refused \(printable(address.description)): \(reason.words)",
                hint: reason == .notAllowed ? "See --allow and --allow-listen there." : "See what is said there.",
                code: reason == .notAllowed ? .declined : .failed)
        }
    }

    private static func failure(for error: StanzaChannelError) -> Failure {
        switch error {
        case .timedOut: Failure("there was no answer in time", hint: "Try again later.", code: .failed)
        case .closed(let reason):
            Failure(
                "the connection to the XMPP server was lost: \(printable(reason))", hint: "Try again.",
                code: .serverUnreachable)
        }
    }
}

extension TransferProgress.Direction {
    /// What has to run on the other side; `nil` where it can be anything.
    fileprivate var command: String? {
        switch self {
        case .out, .in: nil
        case .both: "sleigh pipe --listen"
        case .measured: "sleigh bench --listen"
        case .forwarded: "sleigh forward --listen"
        }
    }
}
