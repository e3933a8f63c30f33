internal import SecureChannels
internal import XMPP

/// What SCRAM needs, computed by OpenSSL.
struct OpenSSLCryptography: SASLCryptography {
    func hash(_ bytes: [UInt8], with function: SASLHashFunction) -> [UInt8] {
        function.algorithm.hash(bytes)
    }

    func hmac(key: [UInt8], _ bytes: [UInt8], with function: SASLHashFunction) -> [UInt8] {
        function.algorithm.hmac(key: key, bytes)
    }

    func pbkdf2(password: [UInt8], salt: [UInt8], iterations: Int, with function: SASLHashFunction) -> [UInt8] {
        function.algorithm.pbkdf2(password: password, salt: salt, iterations: iterations)
    }

    func randomBytes(_ count: Int) -> [UInt8] { secureRandomBytes(count) }
}

extension SASLHashFunction {
    fileprivate var algorithm: DigestAlgorithm {
        switch self {
        case .sha1: .sha1
        case .sha256: .sha256
        }
    }
}
