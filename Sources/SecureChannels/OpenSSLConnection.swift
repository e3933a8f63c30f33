internal import COpenSSL

/// Owns one OpenSSL connection, and the bytes between it and the network.
final class OpenSSLConnection {
    /// What a look for plaintext came to.
    enum Reading {
        case bytes(Int)
        /// More must come from the network first.
        case wait
        /// The peer has ended its direction in order.
        case end
        case failure
    }

    /// What a step of the handshake came to.
    enum Handshake {
        case done
        case wait
        case failure
    }

    let ssl: OpaquePointer
    private let network: NetworkBuffers

    init?(context: OpaquePointer) {
        guard let network = NetworkBuffers(), let ssl = SSL_new(context) else { return nil }
        network.attach(to: ssl)
        self.ssl = ssl
        self.network = network
    }

    deinit { SSL_free(ssl) }

    /// Sets what callbacks find with ``owner(of:as:)``; it must outlive the connection.
    func setOwner(_ owner: AnyObject) {
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(owner).toOpaque())
    }

    /// The owner of the connection that OpenSSL verifies a certificate for.
    static func owner<Owner: AnyObject>(of store: OpaquePointer?, as _: Owner.Type) -> Owner? {
        guard let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
            let owner = SSL_get_ex_data(OpaquePointer(ssl), 0)
        else { return nil }
        return Unmanaged<Owner>.fromOpaque(owner).takeUnretainedValue()
    }

    /// Takes bytes from the network, and keeps what OpenSSL does not want yet.
    func feed(_ bytes: UnsafeRawBufferPointer) { network.feed(bytes) }

    func handshake() -> Handshake {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 { return .done }
        return SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ ? .wait : .failure
    }

    /// Decrypts as much of one record as fits, from what was kept and then from the front of `input`.
    func read(
        from input: inout UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) -> Reading {
        network.lentInput = input
        defer {
            input = network.lentInput
            network.lentInput = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return read(into: buffer)
    }

    /// Decrypts as much of one record as fits.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Reading {
        ERR_clear_error()
        var count = 0
        let result = SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count)
        if result == 1 { return .bytes(count) }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wait
        case SSL_ERROR_ZERO_RETURN: return .end
        default: return .failure
        }
    }

    /// Encrypts bytes into `output` as far as they fit there, and keeps the rest; `nil` is a failure.
    func write(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int? {
        let keptByteCount = network.takeOutput(into: output)
        network.lentOutput = UnsafeMutableRawBufferPointer(rebasing: output.dropFirst(keptByteCount))
        defer { network.lentOutput = UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        return write(bytes) ? output.count - network.lentOutput.count : nil
    }

    /// Encrypts bytes; `false` is a failure.
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return true }
        ERR_clear_error()
        var count = 0
        // The buffers take everything there is, so a write is never partial.
        return SSL_write_ex(ssl, start, bytes.count, &count) == 1 && count == bytes.count
    }

    /// Writes the message that our key changes; `false` is a failure.
    func updateKey() -> Bool {
        ERR_clear_error()
        return SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1
    }

    /// Writes the alert that ends our direction.
    func shutdown() {
        ERR_clear_error()
        SSL_shutdown(ssl)
    }

    /// How many bytes wait to be sent over the network.
    var outputByteCount: Int { network.outputByteCount }

    /// Moves bytes to send into `buffer` and returns how many.
    func takeOutput(into buffer: UnsafeMutableRawBufferPointer) -> Int { network.takeOutput(into: buffer) }

    /// The protocol agreed on (RFC 7301).
    var applicationProtocol: String? {
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &start, &count)
        guard let start, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }

    /// Offers protocols, most wanted first.
    func offer(_ protocols: [String]) -> Bool {
        guard !protocols.isEmpty else { return true }
        let list = protocols.flatMap { [UInt8(clamping: $0.utf8.count)] + Array($0.utf8) }
        return SSL_set_alpn_protos(ssl, list, UInt32(list.count)) == 0
    }

    /// Whether the last failure was the peer's refusal of our certificate.
    static var isCertificateRefused: Bool { sleigh_is_certificate_alert() == 1 }

    /// The reason of OpenSSL's most recent error.
    static func lastReason() -> String {
        var reason = "the other side broke off"
        while true {
            let code = ERR_get_error()
            if code == 0 { return reason }
            if let text = ERR_reason_error_string(code) { reason = String(cString: text) }
        }
    }
}
