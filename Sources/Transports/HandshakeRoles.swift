// RFC 8842 § 5: who takes which part in a TLS or QUIC handshake, as offer and answer settle it.
internal import Jingle
internal import SecureChannels

/// The certificates and parts of a handshake, from our side of a negotiation.
///
/// The offerer leaves the choice to the answerer, who waits where it may choose: whoever offers has the data as a rule,
/// and as the client can send it half a round trip earlier.
struct HandshakeRoles: Sendable {
    /// What both sides have agreed on.
    struct Agreement: Sendable, Hashable {
        /// The only certificate accepted from the peer.
        var peerFingerprint: Fingerprint
        /// Our part.
        var role: FingerprintDescription.HandshakeRole
        /// Our part, in TLS over a byte stream.
        var tlsRole: TLSPeerEngine.Role { role == .server ? .server : .client }
    }

    /// What both sides have agreed on; `nil` before the peer's fingerprint is known.
    private(set) var agreement: Agreement?
    private let isOfferer: Bool
    private var localSetup = FingerprintDescription.Setup.actpass

    /// Begins a negotiation.
    ///
    /// - Parameter isOfferer: whether our description comes first.
    init(isOfferer: Bool) { self.isOfferer = isOfferer }

    /// Takes the peer's fingerprint from its offer or answer. Once it is known it can only be repeated.
    ///
    /// - Throws: `TransportFailure.unusableDescription`.
    mutating func receive(_ fingerprint: FingerprintDescription) throws(TransportFailure) {
        guard fingerprint.hash == .sha256, let parsed = Fingerprint(bytes: fingerprint.bytes) else {
            throw .unusableDescription("a fingerprint that is not SHA-256")
        }
        if let agreement {
            guard agreement.peerFingerprint == parsed else {
                throw .unusableDescription("another fingerprint than before")
            }
            return
        }
        if !isOfferer {
            guard let answer = fingerprint.setup.answer(preferring: .server) else { throw Self.setupDoesNotFit }
            localSetup = answer
        }
        let role = isOfferer ? localSetup.offererRole(answer: fingerprint.setup) : localSetup.role
        guard let role else { throw Self.setupDoesNotFit }
        agreement = Agreement(peerFingerprint: parsed, role: role)
    }

    /// What we signal: for an answer, the peer's offer must have been received before.
    func description(of certificate: DeviceCertificate) -> FingerprintDescription? {
        FingerprintDescription(bytes: certificate.fingerprint.bytes, setup: localSetup)
    }

    private static let setupDoesNotFit = TransportFailure.unusableDescription("a setup that does not fit")
}

extension FingerprintDescription.Setup {
    /// The part of whoever says so, where that is certain.
    fileprivate var role: FingerprintDescription.HandshakeRole? {
        switch self {
        case .active: .client
        case .passive: .server
        case .actpass, .holdconn: nil
        }
    }
}
