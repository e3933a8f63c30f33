// XEP-0300: Use of Cryptographic Hash Functions in XMPP.
public import XML

/// The digest of something, with the function that made it.
public struct Hash: Sendable, Hashable {
    /// The namespace of `<hash/>` and `<hash-used/>`, and the disco feature (XEP-0300 § 5).
    public static let namespace = "urn:xmpp:hashes:2"

    /// The hash functions with a name in the registry or in XEP-0300 § 3. Naming one does not mean it can be
    /// computed here.
    public enum Algorithm: String, Sendable, Hashable, CaseIterable {
        case md5
        case sha1 = "sha-1"
        case sha224 = "sha-224"
        case sha256 = "sha-256"
        case sha384 = "sha-384"
        case sha512 = "sha-512"
        case sha3With256Bits = "sha3-256"
        case sha3With512Bits = "sha3-512"
        case blake2bWith256Bits = "blake2b-256"
        case blake2bWith512Bits = "blake2b-512"

        /// The length of a digest, in bytes.
        public var byteCount: Int {
            switch self {
            case .md5: 16
            case .sha1: 20
            case .sha224: 28
            case .sha256, .sha3With256Bits, .blake2bWith256Bits: 32
            case .sha384: 48
            case .sha512, .sha3With512Bits, .blake2bWith512Bits: 64
            }
        }

        /// The disco feature that says the function is supported (XEP-0300 § 5).
        public var feature: String { "urn:xmpp:hash-function-text-names:\(rawValue)" }

        /// The `<hash-used/>` element that names the function.
        public var usedElement: XMLElement {
            XMLElement("hash-used", namespace: Hash.namespace, attributes: ["algo": rawValue])
        }
    }

    /// The function.
    public let algorithm: Algorithm
    /// The digest; as many bytes as the function gives.
    public let digest: [UInt8]

    /// Creates a hash; `nil` when the digest does not have the function's length.
    public init?(_ algorithm: Algorithm, digest: [UInt8]) {
        guard digest.count == algorithm.byteCount else { return nil }
        self.algorithm = algorithm
        self.digest = digest
    }

    /// Reads a `<hash/>` element; `nil` when the function is unknown or the digest is not one of its length.
    ///
    /// Libervia up to 0.9 encodes the digest's hexadecimal text in Base64 instead of the digest; that is
    /// accepted too.
    public init?(_ element: XMLElement) {
        guard element.matches("hash", namespace: Self.namespace),
            let algorithm = element["algo"].flatMap(Algorithm.init),
            let bytes = Self.decodeBase64(element.text, maximum: 2 * algorithm.byteCount)
        else { return nil }
        if bytes.count == 2 * algorithm.byteCount {
            guard let digest = Self.decodeHex(bytes) else { return nil }
            self.init(algorithm, digest: digest)
        } else {
            self.init(algorithm, digest: bytes)
        }
    }

    /// The `<hash/>` element.
    public var element: XMLElement {
        XMLElement(
            "hash", namespace: Self.namespace, attributes: ["algo": algorithm.rawValue], text: Self.encodeBase64(digest))
    }

    /// The digest in lower-case hexadecimal, as `sha256sum` prints it.
    public var hexadecimal: String {
        let digits = Array("0123456789abcdef")
        return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

extension Hash {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func encodeBase64(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.enumerated().reduce(0) { $0 | Int($1.element) << (16 - 8 * $1.offset) }
            for index in 0..<4 {
                output.append(index <= group.count ? alphabet[bits >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func decodeBase64(_ text: String, maximum: Int) -> [UInt8]? {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0d).contains($0) }
        guard text.utf8.count <= 8 * maximum else { return nil }
        let characters = text.utf8.filter { !isSpace($0) }
        guard characters.count.isMultiple(of: 4), characters.count <= (maximum + 2) / 3 * 4 else { return nil }
        let significant = characters.prefix { $0 != UInt8(ascii: "=") }
        guard characters.count - significant.count <= 2,
            characters.dropFirst(significant.count).allSatisfy({ $0 == UInt8(ascii: "=") })
        else { return nil }
        var output: [UInt8] = []
        var bits: UInt32 = 0
        var bitCount = 0
        for character in significant {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            bits = bits << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                output.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
            }
        }
        return output
    }

    private static func decodeHex(_ text: [UInt8]) -> [UInt8]? {
        var digest: [UInt8] = []
        for index in stride(from: 0, to: text.count - 1, by: 2) {
            guard let high = hexDigit(text[index]), let low = hexDigit(text[index + 1]) else { return nil }
            digest.append(high << 4 | low)
        }
        return digest
    }

    private static func hexDigit(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x61...0x66: character - 0x61 + 10
        case 0x41...0x46: character - 0x41 + 10
        default: nil
        }
    }
}
