import COpenSSL
import Foundation

/// A certificate made for one test, with its key.
final class TestCertificate {
    let certificate: OpaquePointer
    let key: OpaquePointer

    /// Makes a certificate, signed by an issuer or by itself.
    init(
        commonName: String, alternativeNames: String? = nil, issuer: TestCertificate? = nil,
        isAuthority: Bool = false, extendedKeyUsage: String? = nil, validSeconds: ClosedRange<Int> = -3600...3600
    ) throws {
        var key: OpaquePointer?
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil)
        defer { EVP_PKEY_CTX_free(context) }
        EVP_PKEY_keygen_init(context)
        EVP_PKEY_keygen(context, &key)
        guard let key, let certificate = X509_new() else { throw TestServerError.outOfMemory }
        self.key = key
        self.certificate = certificate
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...Int(Int32.max)))
        X509_gmtime_adj(X509_getm_notBefore(certificate), validSeconds.lowerBound)
        X509_gmtime_adj(X509_getm_notAfter(certificate), validSeconds.upperBound)
        X509_set_pubkey(certificate, key)
        let name = X509_get_subject_name(certificate)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_FLAG | 0, commonName, -1, -1, 0)
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer?.certificate ?? certificate))
        add(NID_basic_constraints, isAuthority ? "critical,CA:TRUE" : "critical,CA:FALSE")
        if let alternativeNames { add(NID_subject_alt_name, alternativeNames) }
        if let extendedKeyUsage { add(NID_ext_key_usage, extendedKeyUsage) }
        guard X509_sign(certificate, issuer?.key ?? key, nil) > 0 else { throw TestServerError.outOfMemory }
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
    }

    /// The certificate in PEM form.
    var pem: String {
        let memory = BIO_new(BIO_s_mem())
        defer { BIO_free(memory) }
        PEM_write_bio_X509(memory, certificate)
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(memory))
        BIO_read(memory, &bytes, Int32(bytes.count))
        return String(decoding: bytes, as: UTF8.self)
    }

    private func add(_ kind: Int32, _ value: String) {
        let made = X509V3_EXT_conf_nid(nil, nil, kind, value)
        X509_add_ext(certificate, made, -1)
        X509_EXTENSION_free(made)
    }
}

enum TestServerError: Error { case outOfMemory, handshakeFailed }

/// The server end of a TLS connection, in memory.
final class TLSTestServer {
    let ssl: OpaquePointer
    private let networkIn = BIO_new(BIO_s_mem())
    private let networkOut = BIO_new(BIO_s_mem())

    init(_ certificate: TestCertificate, newestVersion: Int32 = TLS1_3_VERSION, chosenProtocol: String? = nil) throws {
        guard let context = SSL_CTX_new(TLS_server_method()), let ssl = SSL_new(context) else {
            throw TestServerError.outOfMemory
        }
        SSL_CTX_free(context)
        self.ssl = ssl
        SSL_use_certificate(ssl, certificate.certificate)
        SSL_use_PrivateKey(ssl, certificate.key)
        sleigh_SSL_set_max_proto_version(ssl, newestVersion)
        if chosenProtocol != nil {
            SSL_CTX_set_alpn_select_cb(
                SSL_get_SSL_CTX(ssl),
                { _, chosen, chosenCount, offered, offeredCount, _ in
                    // The first one offered.
                    guard let offered, offeredCount > 1 else { return SSL_TLSEXT_ERR_NOACK }
                    chosen?.pointee = offered + 1
                    chosenCount?.pointee = offered.pointee
                    return SSL_TLSEXT_ERR_OK
                }, nil)
        }
        sleigh_BIO_set_mem_eof_return(networkIn, -1)
        sleigh_BIO_set_mem_eof_return(networkOut, -1)
        SSL_set_bio(ssl, networkIn, networkOut)
        SSL_set_accept_state(ssl)
    }

    deinit { SSL_free(ssl) }

    /// Takes bytes from the network and returns what the client said in them.
    func receive(_ bytes: [UInt8]) -> [UInt8] {
        if !bytes.isEmpty { BIO_write(networkIn, bytes, Int32(bytes.count)) }
        var buffer = [UInt8](repeating: 0, count: 65536)
        var said: [UInt8] = []
        var count = 0
        while SSL_read_ex(ssl, &buffer, buffer.count, &count) == 1 { said += buffer.prefix(count) }
        return said
    }

    func send(_ bytes: [UInt8]) {
        var count = 0
        SSL_write_ex(ssl, bytes, bytes.count, &count)
    }

    func close() { SSL_shutdown(ssl) }

    func takeOutput() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(networkOut))
        if !bytes.isEmpty { BIO_read(networkOut, &bytes, Int32(bytes.count)) }
        return bytes
    }

    /// The name the client asked for (RFC 6066 § 3).
    var requestedName: String? {
        SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
    }

    var exporterChannelBinding: [UInt8] {
        var value = [UInt8](repeating: 0, count: 32)
        SSL_export_keying_material(ssl, &value, 32, "EXPORTER-Channel-Binding", 24, nil, 0, 0)
        return value
    }
}
