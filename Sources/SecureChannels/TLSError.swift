/// Why there is no secure connection, or no longer.
public enum TLSError: Error, Sendable, Hashable {
    /// The file with own certificate authorities cannot be read, or holds no certificate in PEM form.
    case authorityFileUnusable(path: String)
    /// The server name is neither an IP address nor a DNS name in ASCII.
    case serverNameUnusable(String)
    /// The server's certificate is not one to trust.
    case certificateRefused(CertificateFault)
    /// The other device presented another certificate than the one expected.
    case peerNotAuthenticated
    /// The other device refused our certificate.
    case refusedByPeer
    /// The two sides cannot agree, or one broke the protocol.
    case protocolFailure(reason: String)
    /// The connection ended without the closing alert: what was received may not be all that was sent.
    case truncated
}

/// What is wrong with a certificate.
public enum CertificateFault: Sendable, Hashable {
    /// Its time is over.
    case expired
    /// Its time has not come; perhaps this host's clock is wrong.
    case notYetValid
    /// It is signed by itself, and it is not among the trusted ones.
    case selfSigned
    /// Nobody trusted has signed it.
    case unknownIssuer
    /// It is valid, but for other names. These are safe to print, and at most ten.
    case wrongName(expected: String, names: [String])
    /// Something else; the reason is OpenSSL's.
    case other(reason: String)
}

extension TLSError: CustomStringConvertible {
    /// What happened, for a person to read.
    public var description: String {
        switch self {
        case .authorityFileUnusable(let path): "no PEM certificate can be read from \(path)"
        case .serverNameUnusable(let name):
            "“\(name)” is no host name in ASCII; write an international name in its xn-- form"
        case .certificateRefused(let fault): fault.description
        case .peerNotAuthenticated: "the peer presented another certificate than the one signalled"
        case .refusedByPeer: "the peer refused this device's certificate"
        case .protocolFailure(let reason): "TLS failed: \(reason)"
        case .truncated: "the connection was cut off"
        }
    }
}

extension CertificateFault: CustomStringConvertible {
    /// What happened, for a person to read.
    public var description: String {
        switch self {
        case .expired: "the certificate has expired"
        case .notYetValid: "the certificate is not valid yet"
        case .selfSigned: "the certificate is self-signed and not trusted"
        case .unknownIssuer: "the certificate's issuer is not trusted"
        case .wrongName(let expected, let names) where names.isEmpty:
            "the certificate is not for \(expected): it names no host"
        case .wrongName(let expected, let names):
            "the certificate is not for \(expected), but for \(names.joined(separator: ", "))"
        case .other(let reason): "the certificate is not acceptable: \(reason)"
        }
    }
}
