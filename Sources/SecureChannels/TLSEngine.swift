internal import COpenSSL
internal import Glibc

/// The client end of a TLS connection, version 1.2 or later, without any I/O of its own.
///
/// Feed it what the network brings (`receive`), and after every call send on what `takeOutput` returns, even when
/// the call threw: a last alert may be in it.
public final class TLSEngine {
    /// How far the connection is.
    public enum State: Sendable, Hashable {
        /// Nothing can be sent yet.
        case handshaking
        /// Both directions are open, and the server's certificate has been verified.
        case established
        /// The server has closed its direction in order.
        case closedByPeer
        /// An error was thrown; nothing more happens.
        case failed
    }

    /// How far the connection is.
    public private(set) var state = State.handshaking

    private let ssl: OpaquePointer
    private let networkIn: OpaquePointer
    private let networkOut: OpaquePointer
    private let serverName: String
    private var refusal: CertificateFault?

    /// Prepares a connection and the first bytes to send.
    ///
    /// - Throws: `TLSError` when the configuration cannot be used.
    public init(_ configuration: TLSConfiguration) throws(TLSError) {
        let name = try ServerName(configuration.serverName)
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw .protocolFailure(reason: lastReason()) }
        defer { SSL_CTX_free(context) }
        sleigh_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
        sleigh_SSL_CTX_forbid_renegotiation_and_compression(context)
        SSL_CTX_set_default_verify_paths(context)
        if let path = configuration.authorityFile, SSL_CTX_load_verify_file(context, path) != 1 {
            ERR_clear_error()
            throw .authorityFileUnusable(path: path)
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, certificateVerified)
        guard let ssl = SSL_new(context), let networkIn = BIO_new(BIO_s_mem()), let networkOut = BIO_new(BIO_s_mem())
        else { throw .protocolFailure(reason: lastReason()) }
        sleigh_BIO_set_mem_eof_return(networkIn, -1)
        sleigh_BIO_set_mem_eof_return(networkOut, -1)
        SSL_set_bio(ssl, networkIn, networkOut)
        SSL_set_connect_state(ssl)
        self.ssl = ssl
        self.networkIn = networkIn
        self.networkOut = networkOut
        self.serverName = name.text
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
        guard name.expect(of: ssl), Self.offer(configuration.applicationProtocols, on: ssl) else {
            throw .serverNameUnusable(configuration.serverName)
        }
        try handshake()
    }

    deinit { SSL_free(ssl) }

    /// Takes bytes from the network and returns what the server said in them.
    ///
    /// - Throws: `TLSError`; the connection is over then.
    public func receive(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> [UInt8] {
        guard state != .failed, state != .closedByPeer else { return [] }
        if let start = bytes.baseAddress, !bytes.isEmpty {
            // A memory BIO takes everything there is.
            BIO_write(networkIn, start, Int32(bytes.count))
        }
        if state == .handshaking { try handshake() }
        guard state == .established else { return [] }
        var plaintext: [UInt8] = []
        while true {
            ERR_clear_error()
            var count = 0
            let piece = [UInt8](unsafeUninitializedCapacity: Self.recordByteCount) { buffer, filled in
                if SSL_read_ex(ssl, buffer.baseAddress, Self.recordByteCount, &count) != 1 { count = 0 }
                filled = count
            }
            if count > 0 {
                plaintext += piece
                continue
            }
            switch SSL_get_error(ssl, 0) {
            case SSL_ERROR_WANT_READ: return plaintext
            case SSL_ERROR_ZERO_RETURN:
                state = .closedByPeer
                return plaintext
            default: throw fail(.protocolFailure(reason: lastReason()))
            }
        }
    }

    /// Encrypts bytes for the server. Only when established; the bytes are ignored once the connection has failed.
    ///
    /// - Throws: `TLSError`; the connection is over then.
    public func send(_ bytes: UnsafeRawBufferPointer) throws(TLSError) {
        precondition(state != .handshaking, "sent before the handshake has finished")
        guard state != .failed, let start = bytes.baseAddress, !bytes.isEmpty else { return }
        ERR_clear_error()
        var count = 0
        // A memory BIO takes everything there is, so a write is never partial.
        guard SSL_write_ex(ssl, start, bytes.count, &count) == 1, count == bytes.count else {
            throw fail(.protocolFailure(reason: lastReason()))
        }
    }

    /// Tells the server that nothing more will be sent. What it still sends can be received.
    public func close() {
        guard state == .established || state == .closedByPeer else { return }
        ERR_clear_error()
        SSL_shutdown(ssl)
    }

    /// Tells the engine that the network has ended.
    ///
    /// - Throws: `TLSError.truncated` unless the server had closed in order.
    public func endOfInput() throws(TLSError) {
        guard state != .closedByPeer, state != .failed else { return }
        throw fail(.truncated)
    }

    /// The bytes to send over the network, which are then forgotten here.
    public func takeOutput() -> [UInt8] {
        let byteCount = BIO_ctrl_pending(networkOut)
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            count = byteCount == 0 ? 0 : max(0, Int(BIO_read(networkOut, buffer.baseAddress, Int32(byteCount))))
        }
    }

    /// The version in use, such as `TLSv1.3`.
    public var version: String { String(cString: SSL_get_version(ssl)) }

    /// The protocol the server chose of those offered (RFC 7301); `nil` when it chose none.
    public var applicationProtocol: String? {
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &start, &count)
        guard let start, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }

    /// The channel binding `tls-exporter` (RFC 9266 § 2), 32 bytes; `nil` before TLS 1.3 and before the handshake
    /// has finished.
    public var exporterChannelBinding: [UInt8]? {
        guard state == .established, SSL_version(ssl) == TLS1_3_VERSION else { return nil }
        let label = "EXPORTER-Channel-Binding"
        var value = [UInt8](repeating: 0, count: 32)
        let done = SSL_export_keying_material(ssl, &value, value.count, label, label.utf8.count, nil, 0, 1)
        return done == 1 ? value : nil
    }

    /// The channel binding `tls-unique` (RFC 5929 § 3) of a TLS 1.2 connection; `nil` with TLS 1.3, for which it is
    /// undefined, and when the connection lacks the extended master secret (RFC 7627), without which it binds nothing.
    public var uniqueChannelBinding: [UInt8]? {
        guard state == .established, SSL_version(ssl) == TLS1_2_VERSION, sleigh_SSL_get_extms_support(ssl) == 1 else {
            return nil
        }
        // Sessions are never resumed, so the client's Finished message is the first one.
        var message = [UInt8](repeating: 0, count: 64)
        let byteCount = SSL_get_finished(ssl, &message, message.count)
        return (1...message.count).contains(byteCount) ? Array(message.prefix(byteCount)) : nil
    }

    private func handshake() throws(TLSError) {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            state = .established
            return
        }
        guard SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ else { return }
        if let refusal { throw fail(.certificateRefused(refusal)) }
        throw fail(.protocolFailure(reason: lastReason()))
    }

    private func fail(_ error: TLSError) -> TLSError {
        state = .failed
        ERR_clear_error()
        return error
    }

    fileprivate func refuse(_ code: Int32, names: [String]) {
        guard refusal == nil else { return }
        refusal = CertificateFault(verifyCode: code, expected: serverName, names: names)
    }

    private static let recordByteCount = 16384

    private static func offer(_ protocols: [String], on ssl: OpaquePointer) -> Bool {
        guard !protocols.isEmpty else { return true }
        let list = protocols.flatMap { [UInt8(clamping: $0.utf8.count)] + Array($0.utf8) }
        return SSL_set_alpn_protos(ssl, list, UInt32(list.count)) == 0
    }
}

/// OpenSSL's verdict on each certificate of the chain; notes the first refusal on the engine.
private func certificateVerified(isAccepted: Int32, store: OpaquePointer?) -> Int32 {
    if isAccepted != 1,
        let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
        let engine = SSL_get_ex_data(OpaquePointer(ssl), 0)
    {
        Unmanaged<TLSEngine>.fromOpaque(engine).takeUnretainedValue().refuse(
            X509_STORE_CTX_get_error(store), names: hostNames(of: X509_STORE_CTX_get0_cert(store)))
    }
    return isAccepted
}

/// The reason of OpenSSL's most recent error.
private func lastReason() -> String {
    var reason = "the other side broke off"
    while true {
        let code = ERR_get_error()
        if code == 0 { return reason }
        if let text = ERR_reason_error_string(code) { reason = String(cString: text) }
    }
}
