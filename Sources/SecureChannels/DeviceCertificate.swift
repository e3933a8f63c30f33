internal import CNGTCP2

/// The long-lived self-signed certificate of this device, with its private key (ECDSA P-256).
///
/// Its ``fingerprint`` is what peers remember. The private key never appears in a description.
public struct DeviceCertificate: Sendable {
    /// The certificate in PEM.
    public let certificatePEM: String
    /// The private key in PEM (PKCS #8). Secret.
    public let privateKeyPEM: String
    /// The certificate in DER.
    public let certificateDER: [UInt8]
    /// The SHA-256 hash of the certificate.
    public let fingerprint: Fingerprint

    /// The key and the certificate in one text, to be stored where only the owner can read it. Secret.
    public var pem: String { privateKeyPEM + certificatePEM }

    /// Why a certificate could not be made or read.
    public enum Failure: Error, Sendable, Hashable {
        /// The cryptographic library refused; its own words.
        case gnuTLS(String)
        /// The text does not hold a certificate.
        case noCertificate
        /// The text does not hold the private key of its certificate.
        case noMatchingKey
    }

    /// Makes a new key and a certificate for it that is valid from 2000 to 9999.
    ///
    /// - Throws: `Failure.gnuTLS`.
    public static func generate() throws(Failure) -> DeviceCertificate {
        let key = try PrivateKey()
        try check(gnutls_x509_privkey_generate(key.handle, GNUTLS_PK_ECDSA, quic_p256_bits(), 0))

        var serial = [UInt8](repeating: 0, count: 16)
        try check(gnutls_rnd(GNUTLS_RND_RANDOM, &serial, serial.count))
        serial[0] = serial[0] & 0x7F | 0x40

        let certificate = try Certificate()
        try check(gnutls_x509_crt_set_version(certificate.handle, 3))
        try check(gnutls_x509_crt_set_serial(certificate.handle, &serial, serial.count))
        try check(gnutls_x509_crt_set_activation_time(certificate.handle, 946_684_800))
        try check(gnutls_x509_crt_set_expiration_time(certificate.handle, 253_402_300_799))
        try check(gnutls_x509_crt_set_dn(certificate.handle, "CN=sleigh", nil))
        try check(gnutls_x509_crt_set_key(certificate.handle, key.handle))
        try check(
            gnutls_x509_crt_sign2(certificate.handle, certificate.handle, key.handle, GNUTLS_DIG_SHA256, 0))
        return try DeviceCertificate(certificate: certificate, key: key)
    }

    /// Reads what ``pem`` wrote.
    ///
    /// - Throws: `Failure`; nothing of the text appears in it.
    public init(pem: String) throws(Failure) {
        let bytes = Array(pem.utf8)
        let key = try PrivateKey()
        let certificate = try Certificate()
        let (certificateStatus, keyStatus) = Self.withDatum(bytes) { datum in
            (
                gnutls_x509_crt_import(certificate.handle, &datum, GNUTLS_X509_FMT_PEM),
                gnutls_x509_privkey_import(key.handle, &datum, GNUTLS_X509_FMT_PEM)
            )
        }
        guard certificateStatus == 0 else { throw .noCertificate }
        guard keyStatus == 0 else { throw .noMatchingKey }
        guard let held = certificate.keyIdentifier, held == key.identifier else { throw .noMatchingKey }
        try self.init(certificate: certificate, key: key)
    }

    private init(certificate: borrowing Certificate, key: borrowing PrivateKey) throws(Failure) {
        var datum = gnutls_datum_t()
        try Self.check(gnutls_x509_crt_export2(certificate.handle, GNUTLS_X509_FMT_PEM, &datum))
        certificatePEM = String(decoding: Self.take(&datum), as: UTF8.self)
        try Self.check(gnutls_x509_crt_export2(certificate.handle, GNUTLS_X509_FMT_DER, &datum))
        certificateDER = Self.take(&datum)
        try Self.check(
            gnutls_x509_privkey_export2_pkcs8(
                key.handle, GNUTLS_X509_FMT_PEM, nil, UInt32(GNUTLS_PKCS_PLAIN.rawValue), &datum))
        privateKeyPEM = String(decoding: Self.take(&datum), as: UTF8.self)
        guard let fingerprint = Fingerprint(certificateDER: certificateDER) else { throw .gnuTLS("no SHA-256") }
        self.fingerprint = fingerprint
    }

    private static func check(_ status: CInt) throws(Failure) {
        guard status < 0 else { return }
        throw .gnuTLS(String(cString: gnutls_strerror(status)))
    }

    private static func take(_ datum: inout gnutls_datum_t) -> [UInt8] {
        let bytes = Array(UnsafeBufferPointer(start: datum.data, count: Int(datum.size)))
        if let data = datum.data { gnutls_memset(data, 0, Int(datum.size)) }
        quic_free(datum.data)
        datum = gnutls_datum_t()
        return bytes
    }

    static func withDatum<Result>(_ bytes: [UInt8], _ body: (inout gnutls_datum_t) -> Result) -> Result {
        var copy = bytes
        return copy.withUnsafeMutableBufferPointer { buffer in
            var datum = gnutls_datum_t(data: buffer.baseAddress, size: UInt32(clamping: buffer.count))
            return body(&datum)
        }
    }

    /// Owns a key of the library.
    private struct PrivateKey: ~Copyable {
        let handle: gnutls_x509_privkey_t

        init() throws(Failure) {
            var handle: gnutls_x509_privkey_t?
            try DeviceCertificate.check(gnutls_x509_privkey_init(&handle))
            guard let handle else { throw .gnuTLS("no key") }
            self.handle = handle
        }

        deinit { gnutls_x509_privkey_deinit(handle) }

        var identifier: [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: 64)
            var count = bytes.count
            guard gnutls_x509_privkey_get_key_id(handle, 0, &bytes, &count) == 0 else { return nil }
            return Array(bytes.prefix(count))
        }
    }

    /// Owns a certificate of the library.
    private struct Certificate: ~Copyable {
        let handle: gnutls_x509_crt_t

        init() throws(Failure) {
            var handle: gnutls_x509_crt_t?
            try DeviceCertificate.check(gnutls_x509_crt_init(&handle))
            guard let handle else { throw .gnuTLS("no certificate") }
            self.handle = handle
        }

        deinit { gnutls_x509_crt_deinit(handle) }

        var keyIdentifier: [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: 64)
            var count = bytes.count
            guard gnutls_x509_crt_get_key_id(handle, 0, &bytes, &count) == 0 else { return nil }
            return Array(bytes.prefix(count))
        }
    }
}

extension DeviceCertificate: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The fingerprint, never the key.
    public var description: String { "device \(fingerprint)" }
    /// The fingerprint, never the key.
    public var debugDescription: String { description }
    /// Shows the fingerprint only.
    public var customMirror: Mirror { Mirror(self, children: ["fingerprint": fingerprint]) }
}
