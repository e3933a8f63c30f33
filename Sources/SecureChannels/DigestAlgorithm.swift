internal import COpenSSL

/// The hash functions sleigh computes, named as in the IANA registry of hash function textual names, which
/// XEP-0300 and XEP-0320 use.
public enum DigestAlgorithm: String, Sendable, Hashable, CaseIterable {
    case sha1 = "sha-1"
    case sha256 = "sha-256"
    case sha384 = "sha-384"
    case sha512 = "sha-512"
    case sha3With256Bits = "sha3-256"
    case sha3With512Bits = "sha3-512"
    case blake2bWith512Bits = "blake2b-512"

    /// The length of a hash value, in bytes.
    public var byteCount: Int {
        switch self {
        case .sha1: 20
        case .sha256, .sha3With256Bits: 32
        case .sha384: 48
        case .sha512, .sha3With512Bits, .blake2bWith512Bits: 64
        }
    }

    /// The hash value of some bytes.
    public func hash(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var digest = Digest(self)
        digest.update(bytes)
        return digest.value()
    }

    /// The message authentication code of some bytes (RFC 2104).
    public func hmac(key: some Collection<UInt8>, _ message: some Collection<UInt8>) -> [UInt8] {
        let key = Array(key)
        let message = Array(message)
        return [UInt8](unsafeUninitializedCapacity: byteCount) { code, count in
            let done = HMAC(
                evp, key, Int32(key.count), message, message.count, code.baseAddress, nil)
            precondition(done != nil, "OpenSSL computes \(rawValue)")
            count = byteCount
        }
    }

    /// Derives a key from a password (PBKDF2 with HMAC, RFC 8018 § 5.2).
    ///
    /// - Parameters:
    ///   - iterations: at least 1. The caller bounds it when it comes from a peer: the time grows with it.
    ///   - byteCount: the length of the key wanted; the length of a hash value when left out.
    public func pbkdf2(
        password: some Collection<UInt8>, salt: some Collection<UInt8>, iterations: Int, byteCount: Int? = nil
    ) -> [UInt8] {
        precondition((1...Int(Int32.max)).contains(iterations))
        let password = password.map { CChar(bitPattern: $0) }
        let salt = Array(salt)
        let byteCount = byteCount ?? self.byteCount
        return [UInt8](unsafeUninitializedCapacity: byteCount) { key, count in
            let done = PKCS5_PBKDF2_HMAC(
                password, Int32(password.count), salt, Int32(salt.count), Int32(iterations), evp, Int32(byteCount),
                key.baseAddress)
            precondition(done == 1, "OpenSSL computes \(rawValue)")
            count = byteCount
        }
    }

    var evp: OpaquePointer? {
        switch self {
        case .sha1: EVP_sha1()
        case .sha256: EVP_sha256()
        case .sha384: EVP_sha384()
        case .sha512: EVP_sha512()
        case .sha3With256Bits: EVP_sha3_256()
        case .sha3With512Bits: EVP_sha3_512()
        case .blake2bWith512Bits: EVP_blake2b512()
        }
    }
}
