// Wire/Forward.md § Opening a stream: what the opener of a stream says first.

/// What a stream is for.
public enum ForwardRequest: Sendable, Hashable {
    /// Join it to a new connection to that address.
    case connect(ForwardAddress)
    /// Listen at that address, as long as this stream is open; connections come with that number.
    case listen(ForwardAddress, number: UInt16)
    /// A connection has come to the listener of that number.
    case arrival(number: UInt16)

    /// The longest request in bytes.
    public static let byteCount = headerByteCount + bodyByteCount

    private static let version: UInt8 = 0
    /// Version, kind, and the length of what follows.
    private static let headerByteCount = 4
    private static let bodyByteCount = 4 + ForwardAddress.hostByteCount

    private enum Kind: UInt8 {
        case connectTCP = 0
        case connectUnix = 1
        case listenTCP = 2
        case listenUnix = 3
        case arrival = 4
    }

    /// The request's bytes. Its address must be valid.
    public var bytes: [UInt8] {
        let (kind, body): (Kind, [UInt8]) =
            switch self {
            case .connect(.tcp(let host, let port)): (.connectTCP, Self.bytes(port) + host.utf8)
            case .connect(.unix(let path)): (.connectUnix, Array(path.utf8))
            case .listen(.tcp(let host, let port), let number):
                (.listenTCP, Self.bytes(number) + Self.bytes(port) + host.utf8)
            case .listen(.unix(let path), let number): (.listenUnix, Self.bytes(number) + path.utf8)
            case .arrival(let number): (.arrival, Self.bytes(number))
            }
        return [Self.version, kind.rawValue] + Self.bytes(UInt16(clamping: body.count)) + body
    }

    private static func bytes(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xFF)] }

    /// What reading gives.
    public enum Reading: Sendable, Hashable {
        /// More bytes are needed.
        case incomplete
        /// The whole request.
        case request(ForwardRequest)
        /// It cannot be understood: malformed, of another version or kind, or with more behind it.
        case malformed
    }

    /// Reads the bytes that have come so far.
    public static func read(_ bytes: [UInt8]) -> Reading {
        guard bytes.first ?? version == version else { return .malformed }
        guard bytes.count >= headerByteCount else { return .incomplete }
        let count = Int(number(bytes[2...]))
        guard let kind = Kind(rawValue: bytes[1]), count <= bodyByteCount else { return .malformed }
        guard bytes.count >= headerByteCount + count else { return .incomplete }
        guard bytes.count == headerByteCount + count,
            let request = ForwardRequest(kind, bytes[headerByteCount...])
        else { return .malformed }
        return .request(request)
    }

    private init?(_ kind: Kind, _ body: ArraySlice<UInt8>) {
        let numberCount =
            switch kind {
            case .connectUnix: 0
            case .connectTCP, .listenUnix, .arrival: 1
            case .listenTCP: 2
            }
        guard body.count >= 2 * numberCount,
            let text = String(validating: body.dropFirst(2 * numberCount), as: UTF8.self)
        else { return nil }
        let first = numberCount > 0 ? Self.number(body) : 0
        switch kind {
        case .connectTCP: self = .connect(.tcp(host: text, port: first))
        case .connectUnix: self = .connect(.unix(path: text))
        case .listenTCP: self = .listen(.tcp(host: text, port: Self.number(body.dropFirst(2))), number: first)
        case .listenUnix: self = .listen(.unix(path: text), number: first)
        case .arrival:
            guard text.isEmpty else { return nil }
            self = .arrival(number: first)
        }
        switch self {
        case .connect(let address):
            if case .tcp(_, port: 0) = address { return nil }
            guard address.isValid else { return nil }
        case .listen(let address, _): guard address.isValid else { return nil }
        case .arrival: break
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        bytes.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
    }
}
