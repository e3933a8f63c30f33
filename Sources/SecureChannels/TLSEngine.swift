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

    private let connection: OpenSSLConnection
    private let serverName: String
    private var refusal: CertificateFault?

    /// Prepares a connection and the first bytes to send.
    ///
    /// - Throws: `TLSError` when the configuration cannot be used.
    public init(_ configuration: TLSConfiguration) throws(TLSError) {
        let name = try ServerName(configuration.serverName)
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw .protocolFailure(reason: OpenSSLConnection.lastReason())
        }
        defer { SSL_CTX_free(context) }
        sleigh_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
        sleigh_SSL_CTX_forbid_renegotiation_and_compression(context)
        SSL_CTX_set_default_verify_paths(context)
        if let path = configuration.authorityFile, SSL_CTX_load_verify_file(context, path) != 1 {
            ERR_clear_error()
            throw .authorityFileUnusable(path: path)
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, certificateVerified)
        guard let connection = OpenSSLConnection(context: context) else {
            throw .protocolFailure(reason: OpenSSLConnection.lastReason())
        }
        SSL_set_connect_state(connection.ssl)
        self.connection = connection
        self.serverName = name.text
        connection.setOwner(self)
        guard name.expect(of: connection.ssl), connection.offer(configuration.applicationProtocols) else {
            throw .serverNameUnusable(configuration.serverName)
        }
        try handshake()
    }

    /// Takes bytes from the network and returns what the server said in them.
    ///
    /// - Throws: `TLSError`; the connection is over then.
    public func receive(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> [UInt8] {
        guard state != .failed, state != .closedByPeer else { return [] }
        connection.feed(bytes)
        if state == .handshaking { try handshake() }
        guard state == .established else { return [] }
        var plaintext: [UInt8] = []
        while true {
            var reading = OpenSSLConnection.Reading.wait
            let piece = [UInt8](unsafeUninitializedCapacity: Self.recordByteCount) { buffer, filled in
                reading = connection.read(into: UnsafeMutableRawBufferPointer(buffer))
                filled = if case .bytes(let count) = reading { count } else { 0 }
            }
            switch reading {
            case .bytes: plaintext += piece
            case .wait: return plaintext
            case .end:
                state = .closedByPeer
                return plaintext
            case .failure: throw fail(.protocolFailure(reason: OpenSSLConnection.lastReason()))
            }
        }
    }

    /// Encrypts bytes for the server. Only when established; the bytes are ignored once the connection has failed.
    ///
    /// - Throws: `TLSError`; the connection is over then.
    public func send(_ bytes: UnsafeRawBufferPointer) throws(TLSError) {
        precondition(state != .handshaking, "sent before the handshake has finished")
        guard state != .failed else { return }
        guard connection.write(bytes) else {
            throw fail(.protocolFailure(reason: OpenSSLConnection.lastReason()))
        }
    }

    /// Tells the server that nothing more will be sent. What it still sends can be received.
    public func close() {
        guard state == .established || state == .closedByPeer else { return }
        connection.shutdown()
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
        let byteCount = connection.outputByteCount
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            count = connection.takeOutput(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// The version in use, such as `TLSv1.3`.
    public var version: String { String(cString: SSL_get_version(connection.ssl)) }

    /// The protocol the server chose of those offered (RFC 7301); `nil` when it chose none.
    public var applicationProtocol: String? { connection.applicationProtocol }

    /// The channel binding `tls-exporter` (RFC 9266 § 2), 32 bytes; `nil` before TLS 1.3 and before the handshake
    /// has finished.
    public var exporterChannelBinding: [UInt8]? {
        guard state == .established, SSL_version(connection.ssl) == TLS1_3_VERSION else { return nil }
        let label = "EXPORTER-Channel-Binding"
        var value = [UInt8](repeating: 0, count: 32)
        let done = SSL_export_keying_material(connection.ssl, &value, value.count, label, label.utf8.count, nil, 0, 1)
        return done == 1 ? value : nil
    }

    /// The channel binding `tls-unique` (RFC 5929 § 3) of a TLS 1.2 connection; `nil` with TLS 1.3, for which it is
    /// undefined, and when the connection lacks the extended master secret (RFC 7627), without which it binds nothing.
    public var uniqueChannelBinding: [UInt8]? {
        guard state == .established, SSL_version(connection.ssl) == TLS1_2_VERSION,
            sleigh_SSL_get_extms_support(connection.ssl) == 1
        else { return nil }
        // Sessions are never resumed, so the client's Finished message is the first one.
        var message = [UInt8](repeating: 0, count: 64)
        let byteCount = SSL_get_finished(connection.ssl, &message, message.count)
        return (1...message.count).contains(byteCount) ? Array(message.prefix(byteCount)) : nil
    }

    private func handshake() throws(TLSError) {
        switch connection.handshake() {
        case .done: state = .established
        case .wait: break
        case .failure:
            if let refusal { throw fail(.certificateRefused(refusal)) }
            throw fail(.protocolFailure(reason: OpenSSLConnection.lastReason()))
        }
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
}

/// OpenSSL's verdict on each certificate of the chain; notes the first refusal on the engine.
private func certificateVerified(isAccepted: Int32, store: OpaquePointer?) -> Int32 {
    if isAccepted != 1, let engine = OpenSSLConnection.owner(of: store, as: TLSEngine.self) {
        engine.refuse(X509_STORE_CTX_get_error(store), names: hostNames(of: X509_STORE_CTX_get0_cert(store)))
    }
    return isAccepted
}
