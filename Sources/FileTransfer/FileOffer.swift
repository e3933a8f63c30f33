internal import SecureChannels

/// What a peer says of a file before it sends it, as far as the disk is concerned.
public struct FileOffer: Sendable, Hashable {
    /// The sender's bare address.
    public let sender: String
    /// The file's name in the peer's words.
    public let name: String
    /// The size in bytes, if the peer gave one.
    public let byteCount: UInt64?
    /// When the file was last changed, in the peer's words.
    public let date: String?

    /// Describes an offered file.
    public init(sender: String, name: String, byteCount: UInt64?, date: String? = nil) {
        self.sender = sender
        self.name = name
        self.byteCount = byteCount
        self.date = date
    }

    /// What is written beside a part, to tell whether a later offer is of the same file.
    ///
    /// A hash value, so that a file that is copied on does not tell who sent it.
    var mark: [UInt8] {
        var digest = Digest(.sha256)
        for field in [sender, name, byteCount.map { String($0) } ?? "", date ?? ""] {
            digest.update(Array("\(field.utf8.count):".utf8))
            digest.update(Array(field.utf8))
        }
        return Array("1 ".utf8) + hexadecimal(digest.value()).utf8
    }
}

/// Bytes in lower-case hexadecimal.
func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: bytes.count * 2) { text in
        for (index, byte) in bytes.enumerated() {
            text[2 * index] = digits[Int(byte >> 4)]
            text[2 * index + 1] = digits[Int(byte & 15)]
        }
        return bytes.count * 2
    }
}
