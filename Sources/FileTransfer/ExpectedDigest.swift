// XEP-0234 § 8.1 and XEP-0300: what a sender says by which the file that arrived can be compared with the one it sent.
import Jingle
import SecureChannels
import XMPP

/// What an offer says about the file's digest.
struct ExpectedDigest: Sendable, Hashable {
    /// The function whose digest is compared.
    let algorithm: DigestAlgorithm
    /// The digest, when the offer holds it.
    let value: [UInt8]?
    /// Whether the sender says that it tells the digest at the end.
    let isAnnounced: Bool

    /// The functions from the one to prefer on. SHA-256 is computed in any case; Gajim gives BLAKE2b only.
    private static let algorithms: [DigestAlgorithm] = [
        .sha256, .blake2bWith512Bits, .sha3With512Bits, .sha512, .sha3With256Bits, .sha1,
    ]

    /// Reads an offer.
    init(_ file: FileDescription) {
        let told = Set(file.hashes.map(\.algorithm) + file.hashesUsed)
        let usable = Self.algorithms.filter { algorithm in told.contains { $0.rawValue == algorithm.rawValue } }
        // One told already is worth more than one that may never come.
        let algorithm = usable.first { Self.value(of: $0, in: file) != nil } ?? usable.first ?? .sha256
        self.algorithm = algorithm
        value = Self.value(of: algorithm, in: file)
        isAnnounced = !usable.isEmpty
    }

    /// The digest in what the sender tells at the end; `nil` when it holds none by that function.
    func value(in checksum: FileDescription) -> [UInt8]? { Self.value(of: algorithm, in: checksum) }

    private static func value(of algorithm: DigestAlgorithm, in file: FileDescription) -> [UInt8]? {
        file.hashes.first { $0.algorithm.rawValue == algorithm.rawValue }?.value
    }
}
