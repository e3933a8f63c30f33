public import SecureChannels
public import XMPP

/// Why there is no connection to the server, or no longer.
///
/// Nothing in it is secret, and all text from outside that its description holds is safe to print.
public enum ClientError: Error, Sendable, Hashable {
    /// What had a time limit.
    public enum Step: String, Sendable, Hashable {
        case connecting, securing, loggingIn
    }

    /// The address is not that of an account: it has no local part.
    case notAnAccount(JID)
    /// The domain is not in ASCII. Sleigh does not convert international names; their `xn--` form works.
    case domainNotASCII(String)
    /// The host name cannot be resolved.
    case dnsFailed(host: String)
    /// The domain says that it has no XMPP service for clients (a record with the target `.`).
    case noService(domain: String)
    /// The host does not accept the connection; the reason is the system's.
    case connectFailed(ServerEndpoint, reason: String)
    /// There is no secure connection.
    case tlsFailed(ServerEndpoint, TLSError)
    /// The server offers no STARTTLS, or refuses it. Sleigh never logs in without TLS.
    case startTLSNotOffered(ServerEndpoint)
    /// The server refused the log-in; `.notAuthorized` means a wrong name or password.
    case authenticationFailed(SASLFailure.Condition?)
    /// The server offers no log-in that sleigh knows.
    case noMechanism
    /// Name or password hold characters that no log-in can carry.
    case unusableCredentials
    /// The server could not prove that it knows the password, or somebody tampers with the log-in.
    case serverNotAuthentic
    /// The server gives this stream no address.
    case bindFailed(StanzaError.Condition?)
    /// Somebody else logged in with the same resource.
    case replaced
    /// The server ended the stream with an error.
    case streamError(StreamError.Condition)
    /// The server does not keep to the protocol.
    case protocolFailure(reason: String)
    /// A step took longer than its limit.
    case timedOut(Step, ServerEndpoint)
    /// The server no longer answers.
    case unresponsive
    /// The connection ended.
    case closed(reason: String)
    /// The server does not go on with the stream that had lost its connection (XEP-0198).
    case notResumed(StanzaError.Condition)
    /// The task that was connecting was cancelled.
    case cancelled

    /// True when a later attempt with the same configuration may well succeed.
    public var isTransient: Bool {
        switch self {
        case .dnsFailed, .connectFailed, .timedOut, .unresponsive, .closed, .notResumed, .protocolFailure: true
        case .authenticationFailed(let condition): condition == .temporaryAuthFailure
        case .streamError(let condition):
            switch condition {
            case .connectionTimeout, .internalServerError, .remoteConnectionFailed, .reset, .resourceConstraint,
                .systemShutdown, .undefinedCondition:
                true
            default: false
            }
        case .tlsFailed(_, let error):
            switch error {
            case .truncated, .protocolFailure: true
            case .authorityFileUnusable, .serverNameUnusable, .certificateRefused, .peerNotAuthenticated,
                .refusedByPeer:
                false
            }
        case .bindFailed(let condition): condition == .resourceConstraint
        case .notAnAccount, .domainNotASCII, .noService, .startTLSNotOffered, .noMechanism, .unusableCredentials,
            .serverNotAuthentic,
            .replaced, .cancelled:
            false
        }
    }

    /// True when another endpoint of the same domain may do better.
    var concernsEndpointOnly: Bool {
        switch self {
        case .dnsFailed, .connectFailed, .tlsFailed, .startTLSNotOffered, .timedOut, .streamError, .protocolFailure,
            .closed:
            true
        case .notAnAccount, .domainNotASCII, .noService, .authenticationFailed, .noMechanism, .unusableCredentials,
            .serverNotAuthentic, .bindFailed, .replaced, .unresponsive, .notResumed, .cancelled:
            false
        }
    }

    /// True when another attempt may get a stream back that lost its connection.
    var permitsResumption: Bool {
        switch self {
        case .notResumed, .protocolFailure: false
        case .streamError: isTransient
        default: isTransient || concernsEndpointOnly
        }
    }

    /// How much it tells the user when several endpoints have failed: a certificate more than a refused connection.
    var weight: Int {
        switch self {
        case .tlsFailed: 3
        case .connectFailed, .timedOut: 1
        case .dnsFailed: 0
        default: 2
        }
    }
}

extension ClientError: CustomStringConvertible {
    /// What happened, for a person to read.
    public var description: String {
        switch self {
        case .notAnAccount(let address): "\(address) is not the address of an account"
        case .domainNotASCII: "the domain has letters outside ASCII; write it in its xn-- form"
        case .dnsFailed(let host): "the host name \(host) cannot be resolved"
        case .noService(let domain): "\(domain) has no XMPP service for clients"
        case .connectFailed(let endpoint, let reason): "cannot connect to \(endpoint): \(reason)"
        case .tlsFailed(let endpoint, let error): "no secure connection to \(endpoint): \(error)"
        case .startTLSNotOffered(let endpoint): "\(endpoint) offers no encryption (STARTTLS)"
        case .authenticationFailed(.notAuthorized): "the server refused the log-in: wrong address or password"
        case .authenticationFailed(.accountDisabled): "the server refused the log-in: the account is disabled"
        case .authenticationFailed(.credentialsExpired): "the server refused the log-in: the password has expired"
        case .authenticationFailed(let condition): "the server refused the log-in (\(condition?.rawValue ?? "unknown"))"
        case .noMechanism: "the server offers no log-in with a password that sleigh knows"
        case .unusableCredentials: "the address or the password holds characters that cannot be used to log in"
        case .serverNotAuthentic: "the server could not prove who it is: it may be an impostor"
        case .bindFailed(let condition): "the server gives no address (\(condition?.rawValue ?? "not offered"))"
        case .replaced: "another program has logged in with the same resource"
        case .streamError(let condition): "the server ended the connection (\(condition.rawValue))"
        case .protocolFailure(let reason): "the server does not keep to the protocol: \(reason)"
        case .timedOut(.connecting, let endpoint): "\(endpoint) does not answer"
        case .timedOut(.securing, let endpoint): "\(endpoint) does not complete the TLS handshake"
        case .timedOut(.loggingIn, let endpoint): "\(endpoint) does not complete the log-in"
        case .unresponsive: "the server no longer answers"
        case .closed(let reason): "the connection to the server has ended: \(reason)"
        case .notResumed(let condition): "the server has given up the stream that was lost (\(condition.rawValue))"
        case .cancelled: "cancelled"
        }
    }
}

extension ClientError {
    /// The error for the way a log-in ended.
    init(_ error: StreamNegotiationError, at endpoint: ServerEndpoint) {
        self =
            switch error {
            case .unreadable: .protocolFailure(reason: "its XML cannot be read")
            case .streamError(let error): ClientError(error)
            case .streamEnded: .closed(reason: "the server closed the stream during the log-in")
            case .unexpectedElement: .protocolFailure(reason: "something unexpected came during the log-in")
            case .unsupportedVersion: .protocolFailure(reason: "it does not speak XMPP 1.0")
            case .tlsNotOffered, .tlsRefused: .startTLSNotOffered(endpoint)
            case .noMechanism: .noMechanism
            case .channelBindingTampered, .serverNotAuthentic: .serverNotAuthentic
            case .unusableCredentials: .unusableCredentials
            case .refused(let failure): .authenticationFailed(failure.condition)
            case .bindingNotOffered: .bindFailed(nil)
            case .bindingRefused(let error): .bindFailed(error.condition)
            case .resumptionRefused(let error): .notResumed(error.condition)
            }
    }

    /// The error for a stream error.
    init(_ error: StreamError) {
        self = error.condition == .conflict ? .replaced : .streamError(error.condition)
    }

    /// The error for a server that breaks the rules of stream management.
    init(_ violation: StreamManagementViolation) {
        self =
            switch violation {
            case .unexpected: .protocolFailure(reason: "something unexpected came about acknowledgements")
            case .malformed: .protocolFailure(reason: "its acknowledgements cannot be read")
            case .handledCountTooHigh: .protocolFailure(reason: "it acknowledges what was not sent")
            }
    }
}
