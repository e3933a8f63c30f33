/// What an ``ICEAgent`` may use to find a path.
public struct ICEConfiguration: Sendable, Hashable {
    /// STUN servers, best first.
    ///
    /// The library asks one; the first that is not also a TURN server over UDP is taken, since a TURN server answers
    /// the same question.
    public var stunServers: [STUNServer] = []
    /// TURN servers, best first. At most ``maximumTURNServerCount`` addresses are used.
    public var turnServers: [TURNServer] = []
    /// Whether only relayed candidates are offered and used.
    public var forceRelay = false
    /// Whether IPv6 is used.
    public var allowsIPv6 = true
    /// The local ports to use, or any.
    public var portRange: ClosedRange<UInt16>?
    /// The local addresses to use in place of every useful address of the host; needed for loopback.
    public var localAddresses: [String] = []
    /// How long gathering may take before it is called done with what is there.
    public var gatheringLimit: Duration = .seconds(5)
    /// How long the checks may take after the last candidate of either side was known here, before the path counts as
    /// failed; `nil` for as long as checks are repeated, and a little more. It counts once both sides have said that
    /// they have no more candidates.
    public var checkingLimit: Duration?

    /// The library's limit on TURN servers.
    public static let maximumTURNServerCount = 8
    /// The library's limit on candidates of the peer.
    public static let maximumRemoteCandidateCount = 25

    /// Creates a configuration without servers.
    public init() {}
}

/// A STUN server over UDP.
public struct STUNServer: Sendable, Hashable {
    /// The host name or address.
    public var host: String
    /// The port.
    public var port: UInt16

    /// Creates a server.
    public init(host: String, port: UInt16 = 3478) {
        self.host = host
        self.port = port
    }
}

/// A TURN server. The description hides user name and password.
public struct TURNServer: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
    /// What carries the bytes between us and the server; the relayed address is UDP in any case.
    public enum Transport: String, Sendable, Hashable {
        /// UDP.
        case udp
        /// TCP.
        case tcp
    }

    /// The host name or address.
    public var host: String
    /// The port.
    public var port: UInt16
    /// What carries the bytes to the server.
    public var transport: Transport
    /// The user name.
    public var username: String
    /// The password.
    public var password: String

    /// Creates a server.
    public init(host: String, port: UInt16 = 3478, transport: Transport, username: String, password: String) {
        self.host = host
        self.port = port
        self.transport = transport
        self.username = username
        self.password = password
    }

    /// `turn:host:port (udp)`.
    public var description: String { "turn:\(host):\(port) (\(transport.rawValue))" }
    /// The same as ``description``.
    public var debugDescription: String { description }
}
