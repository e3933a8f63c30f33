internal import CNGTCP2

/// The SHA-256 hash of a certificate in DER, by which devices know each other (XEP-0320).
///
/// Comparison takes the same time whatever the contents.
public struct Fingerprint: Sendable, Hashable {
    /// The name of the hash in XEP-0320.
    public static let hashName = "sha-256"

    /// The number of bytes in a fingerprint.
    public static let byteCount = 32

    /// The 32 bytes of the hash.
    public let bytes: [UInt8]

    /// Takes the bytes of a hash; `nil` unless there are 32.
    public init?(bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Reads colon-separated hexadecimal pairs in either case (XEP-0320 § 3).
    public init?(_ text: some StringProtocol) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        var high: UInt8?
        var expectsColon = false
        for character in text.utf8 {
            if expectsColon {
                guard character == UInt8(ascii: ":") else { return nil }
                expectsColon = false
                continue
            }
            guard let digit = Self.hexadecimalValue(character), bytes.count < Self.byteCount else { return nil }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
                expectsColon = true
            } else {
                high = digit
            }
        }
        guard high == nil, expectsColon, bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Hashes a certificate.
    public init?(certificateDER: [UInt8]) {
        let hash = certificateDER.withUnsafeBytes { Self.hash($0) }
        guard let hash else { return nil }
        self.init(bytes: hash)
    }

    /// The SHA-256 hash of some bytes.
    static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        var result = [UInt8](repeating: 0, count: byteCount)
        let status = gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.baseAddress, bytes.count, &result)
        return status == 0 ? result : nil
    }

    /// Compares in constant time.
    public static func == (one: Fingerprint, other: Fingerprint) -> Bool {
        var difference: UInt8 = 0
        for (first, second) in zip(one.bytes, other.bytes) { difference |= first ^ second }
        return difference == 0
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

    private static func hexadecimalValue(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension Fingerprint: CustomStringConvertible {
    /// Upper-case hexadecimal pairs separated by colons, as on the wire.
    public var description: String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            if !text.isEmpty { text.append(UInt8(ascii: ":")) }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
