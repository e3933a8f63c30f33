// XEP-0300: Use of Cryptographic Hash Functions in XMPP
public import XML

/// A hash and the function that made it, `<hash/>` (XEP-0300 § 2).
public struct Hash: Sendable, Hashable {
    /// The namespace, and the feature.
    public static let namespace = "urn:xmpp:hashes:2"

    /// The functions by their registered names.
    public enum Algorithm: String, Sendable, Hashable {
        case sha1 = "sha-1"
        case sha256 = "sha-256"
        case sha512 = "sha-512"
        case sha3256 = "sha3-256"
        case sha3512 = "sha3-512"
        case blake2b256 = "blake2b-256"
        case blake2b512 = "blake2b-512"

        /// The length of the hash, in bytes.
        public var byteCount: Int {
            switch self {
            case .sha1: 20
            case .sha256, .sha3256, .blake2b256: 32
            case .sha512, .sha3512, .blake2b512: 64
            }
        }
    }

    /// The features of this client: the protocol, and the function it computes.
    static let features = [namespace, "urn:xmpp:hash-function-text-names:sha-256"]

    /// The function.
    public var algorithm: Algorithm
    /// The hash itself, as many bytes as the function gives.
    public var value: [UInt8]

    /// Creates a hash; `nil` when the value is not as long as the function's hashes are.
    public init?(_ algorithm: Algorithm, value: [UInt8]) {
        guard value.count == algorithm.byteCount else { return nil }
        self.algorithm = algorithm
        self.value = value
    }

    /// Reads a `<hash/>` element; `nil` when it is another element, of an unknown function, empty or not valid.
    ///
    /// Accepts also what Libervia sends, base 64 of the hash in hexadecimal digits.
    public init?(_ element: XMLElement) {
        guard element.matches("hash", namespace: Self.namespace),
            let algorithm = element["algo"].flatMap(Algorithm.init),
            let bytes = Base64.decode(element.text.filter { !$0.isWhitespace })
        else { return nil }
        self.init(algorithm, value: bytes.count == 2 * algorithm.byteCount ? Self.unhex(bytes) ?? [] : bytes)
    }

    /// The `<hash/>` element.
    public var element: XMLElement {
        XMLElement(
            "hash", namespace: Self.namespace, attributes: ["algo": algorithm.rawValue], text: Base64.encode(value))
    }

    /// The `<hash/>` element as Libervia writes and reads it, base 64 of the hash in hexadecimal digits: the right form
    /// raises an exception there.
    public var liberviaElement: XMLElement {
        let digits = Array("0123456789abcdef".utf8)
        let text = value.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return XMLElement(
            "hash", namespace: Self.namespace, attributes: ["algo": algorithm.rawValue], text: Base64.encode(text))
    }

    private static func unhex(_ digits: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count - 1, by: 2) {
            guard let high = Character(Unicode.Scalar(digits[index])).hexDigitValue,
                let low = Character(Unicode.Scalar(digits[index + 1])).hexDigitValue
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }
}

extension Hash.Algorithm {
    /// Reads the announcement `<hash-used/>` that a hash will follow (XEP-0300 § 2); `nil` when it is another element
    /// or of an unknown function.
    public init?(announcedBy element: XMLElement) {
        guard element.matches("hash-used", namespace: Hash.namespace), let name = element["algo"] else { return nil }
        self.init(rawValue: name)
    }

    /// The `<hash-used/>` element.
    public var announcement: XMLElement {
        XMLElement("hash-used", namespace: Hash.namespace, attributes: ["algo": rawValue])
    }
}
