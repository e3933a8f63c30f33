/// A file that arrived.
public struct ReceivedFile: Sendable, Hashable {
    /// The name it has now.
    public let name: String
    /// The folder's path and the name.
    public let path: String
    /// The size in bytes.
    public let byteCount: UInt64
    /// The SHA-256 digest of its bytes.
    public let sha256: [UInt8]
    /// Whether the peer gave a digest, which then was the same.
    public let isVerified: Bool
}
