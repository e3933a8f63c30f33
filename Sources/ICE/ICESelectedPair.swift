/// The pair of addresses that ICE chose.
public struct ICESelectedPair: Sendable, Hashable {
    /// Whether the bytes go straight to the peer.
    public enum Path: Sendable, Hashable {
        /// From host to host, through nothing but routers and NATs.
        case direct
        /// Through a TURN server; the transport is that between the server and the side whose relay it is, if known.
        case relayed(by: Side, transport: TURNServer.Transport?)
    }

    /// Whose TURN server relays.
    public enum Side: Sendable, Hashable {
        /// Ours only.
        case local
        /// The peer's only.
        case remote
        /// Both.
        case both
    }

    /// Our candidate.
    public let local: ICECandidate
    /// The peer's candidate.
    public let remote: ICECandidate
    /// Whether the bytes go straight to the peer.
    public let path: Path
    /// Why no better path was found; empty for a direct one.
    public let obstacles: [ICEObstacle]

    /// The family between us and the first hop (peer or TURN server's relayed address).
    public var localFamily: ICEAddress.Family { local.address.family }
    /// The family of the peer's address.
    public var remoteFamily: ICEAddress.Family { remote.address.family }
}

/// Something that kept ICE from a better path, for the user to read.
public enum ICEObstacle: Sendable, Hashable, CustomStringConvertible {
    /// A server's name has no address.
    case unresolvedName(host: String)
    /// The STUN server did not answer: UDP may be blocked.
    case noSTUNAnswer(host: String, port: UInt16)
    /// No STUN server is known, so the outside address is not either.
    case noSTUNServer
    /// The TURN server gave no relayed address: it did not answer, or, where another did not, refused us.
    case noRelay(host: String, port: UInt16, transport: TURNServer.Transport)
    /// The TURN server answered, but gave no relayed address: it refused the user name and password, or had no room.
    /// Over TCP it may have refused the connection.
    case relayRefused(host: String, port: UInt16, transport: TURNServer.Transport)
    /// No TURN server is known.
    case noTURNServer
    /// The peer offered no candidate.
    case noRemoteCandidate
    /// The peer offered no address that is reachable from outside its network.
    case peerNotReachableFromOutside
    /// Both outside addresses are known, but no packet got through: a firewall, or a NAT that maps each destination
    /// to another port, on both sides.
    case directChecksFailed
    /// A relay was there, but no packet got through it either.
    case relayChecksFailed
    /// Only relays are allowed by our configuration.
    case relayOnly

    /// One sentence without a full stop.
    public var description: String {
        switch self {
        case .unresolvedName(let host): "the server name \(host) has no address"
        case .noSTUNAnswer(let host, let port):
            "no STUN answer from \(host):\(port): UDP is blocked, or the server is down"
        case .noSTUNServer: "no STUN server is known"
        case .noRelay(let host, let port, let transport):
            "no relay from \(host):\(port) over \(transport.rawValue.uppercased()): no answer, or not authorised"
        case .relayRefused(let host, let port, let transport):
            "no relay from \(host):\(port) over \(transport.rawValue.uppercased()): the server refuses "
                + (transport == .tcp ? "the connection, " : "") + "our user name and password, or has no room"
        case .noTURNServer: "no TURN server is known"
        case .noRemoteCandidate: "the peer offered no address"
        case .peerNotReachableFromOutside: "the peer offered no address reachable from outside its network"
        case .directChecksFailed: "no direct packet got through (firewall, or NATs that change ports on both sides)"
        case .relayChecksFailed: "no packet got through the relay"
        case .relayOnly: "only relays are allowed"
        }
    }
}
