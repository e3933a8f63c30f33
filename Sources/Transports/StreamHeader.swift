/// What the opener of a stream writes first: the name of the Jingle content, with its length as a QUIC variable-length
/// integer (RFC 9000 § 16).
public enum StreamHeader {
    /// The longest name in UTF-8 bytes.
    public static let maximumNameByteCount = 1024

    /// Writes a header; `nil` when the name is too long.
    public static func encode(contentName: String) -> [UInt8]? {
        let name = Array(contentName.utf8)
        guard name.count <= maximumNameByteCount else { return nil }
        if name.count < 64 { return [UInt8(name.count)] + name }
        return [0x40 | UInt8(name.count >> 8), UInt8(name.count & 0xFF)] + name
    }
}

/// Reads a header that comes in any pieces.
public struct StreamHeaderParser: Sendable {
    /// What is known so far.
    public enum Outcome: Sendable, Hashable {
        /// More bytes are needed; all given were taken.
        case incomplete
        /// The name, and how many of the bytes given belong to the header.
        case name(String, byteCount: Int)
        /// Too long, or not UTF-8.
        case malformed
    }

    private var bytes: [UInt8] = []

    /// Creates a parser.
    public init() {}

    /// Takes the next bytes.
    public mutating func consume(_ input: UnsafeRawBufferPointer) -> Outcome {
        for (index, byte) in input.enumerated() {
            bytes.append(byte)
            guard let outcome = evaluate() else { continue }
            if case .name(let name, _) = outcome { return .name(name, byteCount: index + 1) }
            return outcome
        }
        return .incomplete
    }

    private func evaluate() -> Outcome? {
        let prefixByteCount = 1 << Int(bytes[0] >> 6)
        guard bytes.count >= prefixByteCount else { return nil }
        var length = UInt64(bytes[0] & 0x3F)
        for byte in bytes[1..<prefixByteCount] { length = length << 8 | UInt64(byte) }
        guard length <= UInt64(StreamHeader.maximumNameByteCount) else { return .malformed }
        guard bytes.count == prefixByteCount + Int(length) else { return nil }
        guard let name = String(validating: bytes[prefixByteCount...], as: UTF8.self) else { return .malformed }
        return .name(name, byteCount: bytes.count)
    }
}
