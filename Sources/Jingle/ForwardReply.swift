// Wire/Forward.md § The reply: what becomes of a stream.

/// Whether a stream is joined to what was asked for.
public enum ForwardReply: Sendable, Hashable {
    /// It is; a listener at a TCP port says at which.
    case accepted(port: UInt16)
    /// It is not; nothing else comes.
    case refused(ForwardRefusal)

    /// The length in bytes.
    public static let byteCount = 3

    /// The reply's bytes.
    public var bytes: [UInt8] {
        switch self {
        case .accepted(let port): [0, UInt8(port >> 8), UInt8(port & 0xFF)]
        case .refused(let refusal): [refusal.rawValue, 0, 0]
        }
    }

    /// Reads the first bytes of an answer.
    public init(_ bytes: (UInt8, UInt8, UInt8)) {
        self =
            bytes.0 == 0
            ? .accepted(port: UInt16(bytes.1) << 8 | UInt16(bytes.2))
            : .refused(ForwardRefusal(rawValue: bytes.0) ?? .unknown)
    }
}

/// Why a stream was refused, as much as the peer is told.
public enum ForwardRefusal: UInt8, Sendable, Hashable, CaseIterable {
    /// The user there does not permit it.
    case notAllowed = 1
    /// Nobody answers there, or nothing can listen there.
    case unreachable = 2
    /// There are too many already.
    case tooMany = 3
    /// The request was not understood.
    case notUnderstood = 4
    /// Another reason, which this version does not know.
    case unknown = 255
}
