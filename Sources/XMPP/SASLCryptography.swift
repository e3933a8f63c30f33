/// The cryptography that SCRAM needs (RFC 5802 § 2.2), supplied from outside.
public protocol SASLCryptography: Sendable {
    /// The hash H().
    func hash(_ bytes: [UInt8], with function: SASLHashFunction) -> [UInt8]
    /// The keyed hash HMAC().
    func hmac(key: [UInt8], _ bytes: [UInt8], with function: SASLHashFunction) -> [UInt8]
    /// The key derivation Hi(), which is PBKDF2 with HMAC and an output as long as that of the hash.
    func pbkdf2(password: [UInt8], salt: [UInt8], iterations: Int, with function: SASLHashFunction) -> [UInt8]
    /// That many bytes nobody can predict.
    func randomBytes(_ count: Int) -> [UInt8]
}

/// The hash functions of the SCRAM mechanisms.
public enum SASLHashFunction: String, Sendable, Hashable {
    /// SHA-1, for SCRAM-SHA-1 (RFC 5802).
    case sha1 = "SHA-1"
    /// SHA-256, for SCRAM-SHA-256 (RFC 7677).
    case sha256 = "SHA-256"
}
