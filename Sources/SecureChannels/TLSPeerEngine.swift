internal import COpenSSL

/// One end of a TLS 1.3 connection between two devices that know each other's fingerprint, without any I/O of its own.
///
/// Both ends present their device certificate, both accept only the one expected, and both insist on ALPN `sleigh/0`.
/// Sessions are never resumed. Feed the engine what the network brings (``receive(_:)``), take what was said in it
/// (``read(into:)``), and after every call send on what ``takeOutput(into:)`` returns, even when the call threw: a last
/// alert may be in it. Whoever has much to carry lends memory instead (``read(from:into:)``, ``send(_:into:)``).
public final class TLSPeerEngine {
    /// Which end of the handshake this is; `setup='passive'` is the server (RFC 8842), whoever dialled.
    public enum Role: Sendable, Hashable {
        /// Speaks first.
        case client
        /// Waits for the client.
        case server
    }

    /// How far the connection is.
    public enum State: Sendable, Hashable {
        /// Nothing can be sent yet.
        case handshaking
        /// Both directions are open, and the peer has proved to own the expected certificate. It may still refuse ours.
        case established
        /// The peer has closed its direction in order.
        case closedByPeer
        /// An error was thrown; nothing more happens.
        case failed
    }

    /// The protocol both ends insist on (RFC 7301).
    public static let applicationProtocol = "sleigh/0"

    /// How far the connection is.
    public private(set) var state = State.handshaking

    private let connection: OpenSSLConnection
    private let peerFingerprint: Fingerprint
    private let keyUpdateByteCount: UInt64
    private var byteCountWithKey: UInt64 = 0
    private var isPeerRefused = false

    /// A key may protect 2^24.5 records (RFC 8446 § 5.5); this is a third of it.
    private static let defaultKeyUpdateByteCount: UInt64 = 128 << 30

    /// Prepares a connection; a client has the first bytes to send then.
    ///
    /// - Parameters:
    ///   - certificate: who we are.
    ///   - peerFingerprint: the only certificate accepted from the peer.
    /// - Throws: `TLSError` when the certificate cannot be used.
    public convenience init(
        role: Role, certificate: DeviceCertificate, peerFingerprint: Fingerprint
    ) throws(TLSError) {
        try self.init(
            role: role, certificate: certificate, peerFingerprint: peerFingerprint,
            keyUpdateByteCount: Self.defaultKeyUpdateByteCount)
    }

    /// The same, with the number of bytes after which our key is replaced.
    package init(
        role: Role, certificate: DeviceCertificate, peerFingerprint: Fingerprint, keyUpdateByteCount: UInt64
    ) throws(TLSError) {
        ERR_clear_error()
        let method = role == .client ? TLS_client_method() : TLS_server_method()
        guard let context = SSL_CTX_new(method) else {
            throw .protocolFailure(reason: OpenSSLConnection.lastReason())
        }
        defer { SSL_CTX_free(context) }
        guard Self.configure(context), Self.present(certificate, on: context),
            let connection = OpenSSLConnection(context: context)
        else { throw .protocolFailure(reason: OpenSSLConnection.lastReason()) }
        self.connection = connection
        self.peerFingerprint = peerFingerprint
        self.keyUpdateByteCount = keyUpdateByteCount
        connection.setOwner(self)
        switch role {
        case .client:
            guard connection.offer([Self.applicationProtocol]) else {
                throw .protocolFailure(reason: OpenSSLConnection.lastReason())
            }
            SSL_set_connect_state(connection.ssl)
            try handshake()
        case .server:
            SSL_set_accept_state(connection.ssl)
        }
    }

    /// Takes bytes from the network, all of them, and keeps what does not belong to the handshake.
    ///
    /// - Throws: `TLSError`; the connection is over then.
    public func receive(_ bytes: UnsafeRawBufferPointer) throws(TLSError) {
        guard state != .failed, state != .closedByPeer else { return }
        connection.feed(bytes)
        if state == .handshaking { try handshake() }
    }

    /// Decrypts into `buffer` what was received and then what is at the front of `input`, at most one record at a call.
    ///
    /// - Parameter input: more bytes from the network; those that were taken are dropped.
    /// - Returns: how many bytes; 0 when more must be received first, and when the peer has closed.
    /// - Throws: `TLSError`; the connection is over then.
    public func read(
        from input: inout UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws(TLSError) -> Int {
        guard state == .established else { return 0 }
        switch connection.read(from: &input, into: buffer) {
        case .bytes(let count): return count
        case .wait: return 0
        case .end:
            state = .closedByPeer
            return 0
        case .failure: throw fail()
        }
    }

    /// The same with nothing but what was received.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> Int {
        var none = UnsafeRawBufferPointer(start: nil, count: 0)
        return try read(from: &none, into: buffer)
    }

    /// Encrypts bytes for the peer; best 64 KiB or more at once. Only when established; the bytes are ignored once the
    /// connection has failed.
    ///
    /// - Parameter output: where the encrypted bytes are written, best ``encryptedByteCount(of:)`` of them; what does not
    ///   fit is kept for ``takeOutput(into:)``.
    /// - Returns: how many bytes were written to `output`.
    /// - Throws: `TLSError`; the connection is over then.
    public func send(
        _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(TLSError) -> Int {
        precondition(state != .handshaking, "sent before the handshake has finished")
        guard state != .failed else { return 0 }
        byteCountWithKey += UInt64(bytes.count)
        if byteCountWithKey > keyUpdateByteCount {
            byteCountWithKey = 0
            guard SSL_key_update(connection.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 else { throw fail() }
        }
        guard let count = connection.write(bytes, into: output) else { throw fail() }
        return count
    }

    /// The same with everything kept for ``takeOutput(into:)``.
    public func send(_ bytes: UnsafeRawBufferPointer) throws(TLSError) {
        _ = try send(bytes, into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }

    /// The most that so many bytes become when they are encrypted (RFC 8446 § 5.2), and a change of the key with them.
    public static func encryptedByteCount(of byteCount: Int) -> Int {
        byteCount + (byteCount / 16_384 + 1) * 22 + 64
    }

    /// Replaces our key (RFC 8446 § 4.6.3). That is also something to send when there is nothing to say.
    ///
    /// - Throws: `TLSError`; the connection is over then.
    public func updateKey() throws(TLSError) {
        guard state == .established || state == .closedByPeer else { return }
        byteCountWithKey = 0
        guard connection.updateKey() else { throw fail() }
    }

    /// Tells the peer that nothing more will be sent. What it still sends can be received.
    public func close() {
        guard state == .established || state == .closedByPeer else { return }
        connection.shutdown()
    }

    /// Tells the engine that the network has ended.
    ///
    /// - Throws: `TLSError.truncated` unless the peer had closed in order.
    public func endOfInput() throws(TLSError) {
        guard state != .closedByPeer, state != .failed else { return }
        state = .failed
        throw .truncated
    }

    /// How many bytes wait to be sent over the network.
    public var outputByteCount: Int { connection.outputByteCount }

    /// Moves bytes to be sent over the network into `buffer`, and returns how many.
    public func takeOutput(into buffer: UnsafeMutableRawBufferPointer) -> Int { connection.takeOutput(into: buffer) }

    private func handshake() throws(TLSError) {
        switch connection.handshake() {
        case .done:
            // A server is not asked to choose when the client offers nothing, and a client not told.
            guard connection.applicationProtocol == Self.applicationProtocol else {
                state = .failed
                throw .protocolFailure(reason: "the peer does not speak \(Self.applicationProtocol)")
            }
            state = .established
        case .wait: break
        case .failure: throw fail()
        }
    }

    private func fail() -> TLSError {
        state = .failed
        if isPeerRefused {
            ERR_clear_error()
            return .peerNotAuthenticated
        }
        if OpenSSLConnection.isCertificateRefused { return .refusedByPeer }
        return .protocolFailure(reason: OpenSSLConnection.lastReason())
    }

    /// Whether this is the certificate the peer signalled; nothing else about it matters.
    fileprivate func accepts(_ certificate: OpaquePointer?) -> Bool {
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let isHashed = certificate.map { X509_digest($0, EVP_sha256(), &bytes, &count) == 1 } ?? false
        let isExpected = isHashed && Fingerprint(bytes: bytes.prefix(Int(count))) == peerFingerprint
        isPeerRefused = !isExpected
        return isExpected
    }

    private static func configure(_ context: OpaquePointer) -> Bool {
        sleigh_SSL_CTX_forbid_renegotiation_and_compression(context)
        sleigh_SSL_CTX_forbid_resumption(context)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        SSL_CTX_set_cert_verify_callback(context, peerVerified, nil)
        SSL_CTX_set_alpn_select_cb(context, applicationProtocolSelected, nil)
        sleigh_SSL_CTX_set_max_cert_list(context, 16_384)
        return sleigh_SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1
            && SSL_CTX_set_num_tickets(context, 0) == 1
            && SSL_CTX_set_ciphersuites(
                context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1
            && sleigh_SSL_CTX_set_groups(context, "X25519:P-256:P-384") == 1
    }

    private static func present(_ certificate: DeviceCertificate, on context: OpaquePointer) -> Bool {
        let isPresented = withBuffer(certificate.certificatePEM) { buffer in
            guard let parsed = PEM_read_bio_X509(buffer, nil, nil, nil) else { return false }
            defer { X509_free(parsed) }
            return SSL_CTX_use_certificate(context, parsed) == 1
        }
        let hasKey = withBuffer(certificate.privateKeyPEM) { buffer in
            guard let parsed = PEM_read_bio_PrivateKey(buffer, nil, nil, nil) else { return false }
            defer { EVP_PKEY_free(parsed) }
            return SSL_CTX_use_PrivateKey(context, parsed) == 1
        }
        return isPresented && hasKey && SSL_CTX_check_private_key(context) == 1
    }

    private static func withBuffer(_ text: String, _ body: (OpaquePointer) -> Bool) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            guard let buffer = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return false }
            defer { BIO_free(buffer) }
            return body(buffer)
        }
    }
}

/// Decides about the peer's certificate in place of OpenSSL's search for an authority.
private func peerVerified(store: OpaquePointer?, _: UnsafeMutableRawPointer?) -> Int32 {
    let isAccepted =
        OpenSSLConnection.owner(of: store, as: TLSPeerEngine.self)?.accepts(X509_STORE_CTX_get0_cert(store)) ?? false
    if !isAccepted { X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED) }
    return isAccepted ? 1 : 0
}

/// The server's choice among the client's protocols: ours or none, which ends the handshake (RFC 7301 § 3.2).
private func applicationProtocolSelected(
    _: OpaquePointer?, selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    selectedByteCount: UnsafeMutablePointer<UInt8>?, offered: UnsafePointer<UInt8>?, offeredByteCount: UInt32,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    guard let offered, let selected, let selectedByteCount else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let wanted = TLSPeerEngine.applicationProtocol.utf8
    var place = 0
    while place < Int(offeredByteCount) {
        let byteCount = Int(offered[place])
        guard place + 1 + byteCount <= Int(offeredByteCount) else { break }
        let name = UnsafeBufferPointer(start: offered + place + 1, count: byteCount)
        if name.elementsEqual(wanted) {
            selected.pointee = UnsafePointer(offered + place + 1)
            selectedByteCount.pointee = UInt8(byteCount)
            return SSL_TLSEXT_ERR_OK
        }
        place += 1 + byteCount
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}
