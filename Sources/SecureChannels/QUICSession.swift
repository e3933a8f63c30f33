internal import CNGTCP2

/// The library refused; its own words.
package struct QUICFailure: Error, Sendable, Hashable {
    /// What it said.
    package let description: String

    init(_ description: String) { self.description = description }
}

/// The TLS half of a QUIC connection: one GnuTLS session with our certificate, which accepts one peer only.
///
/// TLS 1.3, ALPN `sleigh/0`, both sides must present a certificate (RFC 9001, RFC 8446 § 4.4.2).
final class QUICSession {
    static let applicationProtocol: [UInt8] = Array("sleigh/0".utf8)

    /// TLS 1.3 with AEADs only, and without the middle-box dance QUIC forbids (RFC 9001 § 8.4).
    private static let priorities =
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
        + "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE"

    let handle: gnutls_session_t
    private let credentials: gnutls_certificate_credentials_t

    /// Creates a session.
    ///
    /// - Parameters:
    ///   - reference: what ngtcp2's helper finds the connection by; must outlive the session.
    ///   - verify: decides about the peer's certificate, 0 to accept.
    init(
        role: QUICRole, certificate: DeviceCertificate, reference: UnsafeMutablePointer<ngtcp2_crypto_conn_ref>,
        verify: @escaping @convention(c) (gnutls_session_t?) -> CInt
    ) throws(QUICFailure) {
        var newCredentials: gnutls_certificate_credentials_t?
        try Self.check(gnutls_certificate_allocate_credentials(&newCredentials))
        guard let newCredentials else { throw QUICFailure("no credentials") }
        var flags: UInt32 =
            switch role {
            case .client: UInt32(GNUTLS_CLIENT) | GNUTLS_FORCE_CLIENT_CERT.rawValue
            case .server: UInt32(GNUTLS_SERVER) | GNUTLS_NO_AUTO_SEND_TICKET.rawValue
            }
        flags |= GNUTLS_NO_TICKETS.rawValue | GNUTLS_NO_END_OF_EARLY_DATA.rawValue
        var newHandle: gnutls_session_t?
        let status = gnutls_init(&newHandle, flags)
        guard status == 0, let newHandle else {
            gnutls_certificate_free_credentials(newCredentials)
            throw QUICFailure(String(cString: gnutls_strerror(status)))
        }
        handle = newHandle
        credentials = newCredentials

        let keyBytes = Array(certificate.privateKeyPEM.utf8)
        let keyStatus = DeviceCertificate.withDatum(Array(certificate.certificatePEM.utf8)) { certificate in
            DeviceCertificate.withDatum(keyBytes) { key in
                gnutls_certificate_set_x509_key_mem(newCredentials, &certificate, &key, GNUTLS_X509_FMT_PEM)
            }
        }
        try Self.check(keyStatus)
        try Self.check(gnutls_priority_set_direct(handle, Self.priorities, nil))
        try Self.check(gnutls_credentials_set(handle, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials)))
        let alpnStatus = DeviceCertificate.withDatum(Self.applicationProtocol) { name in
            gnutls_alpn_set_protocols(handle, &name, 1, GNUTLS_ALPN_MANDATORY.rawValue)
        }
        try Self.check(alpnStatus)

        switch role {
        case .client:
            try Self.check(ngtcp2_crypto_gnutls_configure_client_session(handle))
        case .server:
            try Self.check(ngtcp2_crypto_gnutls_configure_server_session(handle))
            gnutls_certificate_server_set_request(handle, GNUTLS_CERT_REQUIRE)
        }
        gnutls_session_set_ptr(handle, reference)
        gnutls_session_set_verify_function(handle, verify)
    }

    deinit {
        gnutls_deinit(handle)
        gnutls_certificate_free_credentials(credentials)
    }

    /// Leaves the session without a certificate, as a test's impostor.
    func forgetCertificate() { gnutls_certificate_free_keys(credentials) }

    /// Whether both sides agreed on our protocol.
    var isApplicationProtocolSelected: Bool {
        var selected = gnutls_datum_t()
        guard gnutls_alpn_get_selected_protocol(handle, &selected) == 0 else { return false }
        return UnsafeBufferPointer(start: selected.data, count: Int(selected.size))
            .elementsEqual(Self.applicationProtocol)
    }

    /// The fingerprint of the certificate that the peer proved to own.
    static func peerFingerprint(_ session: gnutls_session_t) -> Fingerprint? {
        guard gnutls_certificate_type_get(session) == GNUTLS_CRT_X509 else { return nil }
        var count: UInt32 = 0
        guard let chain = gnutls_certificate_get_peers(session, &count), count > 0 else { return nil }
        let first = UnsafeRawBufferPointer(start: chain[0].data, count: Int(chain[0].size))
        return Fingerprint.hash(first).flatMap { Fingerprint(bytes: $0) }
    }

    private static func check(_ status: CInt) throws(QUICFailure) {
        guard status < 0 else { return }
        throw QUICFailure(String(cString: gnutls_strerror(status)))
    }
}
