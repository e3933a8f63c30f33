// XEP-0176 § 5.3 (candidate attributes), RFC 8445 § 5.1.

/// One transport address at which a peer may be reached, as XEP-0176 signals it. Always UDP.
public struct ICECandidate: Sendable, Hashable {
    /// How the address came to be known; the raw value is the word on the wire.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// An address of the host itself.
        case host
        /// The address a STUN server saw.
        case serverReflexive = "srflx"
        /// The address the peer saw.
        case peerReflexive = "prflx"
        /// An address on a TURN server.
        case relayed = "relay"
    }

    /// Equal for candidates of the same kind, base and server; 1 to 32 ICE characters.
    public let foundation: String
    /// The component, always 1: everything shares one socket.
    public let component: Int
    /// The priority, 1 to 2³¹ − 1.
    public let priority: UInt32
    /// How the address came to be known.
    public let kind: Kind
    /// The address itself.
    public let address: ICEAddress
    /// The address the candidate derives from, for diagnosis only.
    public let relatedAddress: ICEAddress?

    /// The value of the `protocol` attribute.
    public var transportProtocol: String { "udp" }

    /// Checks what came from a peer, attribute by attribute.
    ///
    /// A bad related address is dropped, not refused, because nothing depends on it.
    ///
    /// - Throws: ``ICECandidateError``; the others of a list stay good, so skip the bad one and go on.
    public init(
        foundation: String, component: Int, priority: Int, transportProtocol: String = "udp", kind: String,
        ip: String, port: Int, relatedIP: String? = nil, relatedPort: Int? = nil
    ) throws(ICECandidateError) {
        guard ICECredentials.isICEText(foundation, length: 1...32) else { throw .foundation }
        guard component == 1 else { throw .component }
        guard (1...Int(Int32.max)).contains(priority) else { throw .priority }
        guard transportProtocol.lowercased() == "udp" else { throw .transportProtocol }
        guard let kind = Kind(rawValue: kind) else { throw .kind }
        guard let port = UInt16(exactly: port), port != 0 else { throw .port }
        guard let address = ICEAddress(ip: ip, port: port) else {
            throw ip.lowercased().hasSuffix(".local") ? .multicastDNSName : .notAnAddress
        }
        guard address.isUnicast, !(address.isLinkLocal && address.family == .ipv6) else { throw .unusableAddress }
        self.foundation = foundation
        self.component = component
        self.priority = UInt32(priority)
        self.kind = kind
        self.address = address
        self.relatedAddress = relatedIP.flatMap { ip in
            ICEAddress(ip: ip, port: relatedPort.flatMap { UInt16(exactly: $0) } ?? 0)
        }
    }

    /// Takes over what the library found out; nothing here comes from a peer unchecked.
    init(foundation: String, priority: UInt32, kind: Kind, address: ICEAddress, relatedAddress: ICEAddress?) {
        self.foundation = foundation
        self.component = 1
        self.priority = priority
        self.kind = kind
        self.address = address
        self.relatedAddress = relatedAddress
    }
}

/// Why a candidate from a peer is of no use.
public enum ICECandidateError: Error, Sendable, Hashable, CaseIterable {
    /// The foundation is empty, too long or has other than ICE characters.
    case foundation
    /// There is no such component.
    case component
    /// The priority is 0 or too large.
    case priority
    /// The protocol is not UDP.
    case transportProtocol
    /// The type is none of host, srflx, prflx and relay.
    case kind
    /// The port is 0 or too large.
    case port
    /// A multicast DNS name (`….local`), which browsers use to hide addresses.
    case multicastDNSName
    /// The address is not numeric.
    case notAnAddress
    /// The address is unspecified, multicast, reserved, or link-local IPv6.
    case unusableAddress
}
