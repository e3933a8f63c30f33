internal import COpenSSL

/// Random bytes fit for keys, nonces and identifiers that must not be guessed.
public func secureRandomBytes(_ byteCount: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { bytes, count in
        let done = byteCount == 0 || RAND_bytes(bytes.baseAddress, Int32(byteCount)) == 1
        precondition(done, "the system has randomness")
        count = byteCount
    }
}

/// Compares two secrets in a time that depends on their length only.
public func isEqualInConstantTime(_ one: some Collection<UInt8>, _ other: some Collection<UInt8>) -> Bool {
    guard one.count == other.count else { return false }
    return zip(one, other).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
}

/// Writes bytes as lower-case hexadecimal digits, as `sha256sum` does.
public func hexadecimal(_ bytes: some Collection<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(2 * bytes.count)
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
