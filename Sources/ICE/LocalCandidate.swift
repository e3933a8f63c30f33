internal import CNice
internal import Glibc

/// A candidate of ours with what only this side knows of it.
///
/// libnice 0.1.21 forgets the server in the candidates it hands out (asking for it is a crash), so what is wanted to
/// know of it is read from the priority, as its `agent/candidate.c` composes it.
struct LocalCandidate: Sendable {
    let candidate: ICECandidate
    /// The address of the socket it is used through; for a relayed candidate, the one the server is asked from.
    let base: ICEAddress?

    /// Copies what libnice found; `nil` for what is of no use to a peer.
    init?(_ pointer: UnsafePointer<NiceCandidate>) {
        guard pointer.pointee.transport == NICE_CANDIDATE_TRANSPORT_UDP, let candidate = ICECandidate(pointer),
            !(candidate.address.isLinkLocal && candidate.address.family == .ipv6)
        else { return nil }
        self.candidate = candidate
        base = ICEAddress(pointer.pointee.base_addr)
    }

    /// For a relayed candidate, the server's place in the order in which libnice was told of them: bits 6 to 8 of the
    /// local preference.
    var relayIndex: Int? {
        candidate.kind == .relayed ? Int(candidate.priority >> 14 & 7) : nil
    }

    /// As above, for what libnice hands out as mutable.
    init?(_ pointer: UnsafeMutablePointer<NiceCandidate>) {
        self.init(UnsafePointer(pointer))
    }
}

extension ICECandidate {
    /// For a relayed candidate, what carries the bytes between the relay and its owner, as the type preference says
    /// (libnice's, and that of the ICE-QUIC transport): 30 over UDP, 20 over TCP.
    var relayTransport: TURNServer.Transport? {
        guard kind == .relayed else { return nil }
        switch priority >> 24 {
        case 30: return .udp
        case 20: return .tcp
        default: return nil
        }
    }

    /// Copies a candidate of libnice's, either side's. That of a relay does not tell which host uses the relay.
    init?(_ pointer: UnsafePointer<NiceCandidate>) {
        guard let address = ICEAddress(pointer.pointee.addr) else { return nil }
        let kind: Kind
        switch pointer.pointee.type {
        case NICE_CANDIDATE_TYPE_HOST: kind = .host
        case NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE: kind = .serverReflexive
        case NICE_CANDIDATE_TYPE_PEER_REFLEXIVE: kind = .peerReflexive
        case NICE_CANDIDATE_TYPE_RELAYED: kind = .relayed
        default: return nil
        }
        self.init(
            foundation: String(cString: cnice_candidate_foundation(pointer)), priority: pointer.pointee.priority,
            kind: kind, address: address,
            relatedAddress: kind == .serverReflexive ? ICEAddress(pointer.pointee.base_addr) : nil)
    }

    /// A candidate of the peer's for libnice, which copies it; free it with `nice_candidate_free`.
    func makeNiceCandidate(stream: guint) -> UnsafeMutablePointer<NiceCandidate>? {
        let type =
            switch kind {
            case .host: NICE_CANDIDATE_TYPE_HOST
            case .serverReflexive: NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE
            case .peerReflexive: NICE_CANDIDATE_TYPE_PEER_REFLEXIVE
            case .relayed: NICE_CANDIDATE_TYPE_RELAYED
            }
        guard let pointer = nice_candidate_new(type) else { return nil }
        pointer.pointee.transport = NICE_CANDIDATE_TRANSPORT_UDP
        pointer.pointee.priority = priority
        pointer.pointee.stream_id = stream
        pointer.pointee.component_id = 1
        address.withNiceAddress { pointer.pointee.addr = $0.pointee }
        pointer.pointee.base_addr = pointer.pointee.addr
        cnice_candidate_set_foundation(pointer, foundation)
        return pointer
    }
}

extension ICEAddress {
    /// Copies an address of libnice's; `nil` if it has none.
    init?(_ address: NiceAddress) {
        var address = address
        var storage = sockaddr_storage()
        guard nice_address_is_valid(&address) != 0 else { return nil }
        withUnsafeMutableBytes(of: &storage) { bytes in
            nice_address_copy_to_sockaddr(&address, bytes.bindMemory(to: sockaddr.self).baseAddress)
        }
        self.init(storage)
    }

    /// Lends the address as libnice's type.
    func withNiceAddress<Result>(_ body: (UnsafeMutablePointer<NiceAddress>) -> Result) -> Result {
        var address = NiceAddress()
        var storage = socketAddress
        withUnsafeBytes(of: &storage) { bytes in
            nice_address_set_from_sockaddr(&address, bytes.bindMemory(to: sockaddr.self).baseAddress)
        }
        return body(&address)
    }
}
