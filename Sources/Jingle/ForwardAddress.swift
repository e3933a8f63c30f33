// Wire/Forward.md § Opening a stream: what a forwarded connection leads to, or comes from.

/// A place to connect to or to listen at.
public enum ForwardAddress: Sendable, Hashable, CustomStringConvertible {
    /// A TCP port. To listen at, the host may be `*` for all addresses, and the port 0 for any.
    case tcp(host: String, port: UInt16)
    /// A Unix socket, by its absolute path.
    case unix(path: String)

    /// The longest host in bytes.
    public static let hostByteCount = 255
    /// The longest path in bytes, as Linux has it.
    public static let pathByteCount = 107

    /// Whether it can be written in a request, and says nothing that no address says.
    public var isValid: Bool {
        switch self {
        case .tcp(let host, _):
            1...Self.hostByteCount ~= host.utf8.count && host.utf8.allSatisfy { 0x21...0x7E ~= $0 }
        case .unix(let path):
            2...Self.pathByteCount ~= path.utf8.count && path.hasPrefix("/") && !path.utf8.contains(0)
        }
    }

    /// Reads `HOST:PORT`, with an IPv6 address in brackets, or the absolute path of a Unix socket; `nil` when it is neither.
    public init?(_ text: String) {
        if text.hasPrefix("/") {
            self = .unix(path: text)
        } else {
            guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
                return nil
            }
            var host = text[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = host.dropFirst().dropLast()
            } else if host.contains(":") {
                return nil
            }
            self = .tcp(host: String(host), port: port)
        }
        guard isValid else { return nil }
    }

    /// The address as it is written; from a peer it is not safe to print.
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }
}
