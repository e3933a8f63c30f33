/// What stands between the two hosts and the server; `Scripts/network` builds it and says what each is.
enum Topology: String, Sendable {
    case lan
    case lanWithoutTCP = "lan-no-tcp"
    case lanWithoutUDP = "lan-no-udp"
    case oneNAT = "one-nat"
    case twoNATs = "two-nats"
    case symmetric
    case udpBlocked = "udp-blocked"
    case udpBlockedOnBothSides = "udp-blocked-both"
    case xmppOnly = "xmpp-only"
    case ipv6
    case veth
    case link

    var serverAddress: String { self == .ipv6 ? "2001:db8:0:2::2" : "192.0.2.2" }
}

/// One of the two hosts of every topology.
enum Host: String, Sendable {
    case a
    case b
}
