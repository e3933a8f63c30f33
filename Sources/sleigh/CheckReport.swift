/// What `sleigh check` has found out, as `--json` prints it. What is not known is left out.
///
/// The keys are documented in the catalogue's page Check, which a test compares, and stay as they are.
struct CheckReport: Encodable {
    let event = "checked"
    /// The full address logged in as.
    var account: String
    var connection: Connection
    var server: Server?
    var services: [Service]?
    var network: Network?
    var recipient: Peer?

    /// The connection to the account's server.
    struct Connection: Encodable {
        var host: String
        var port: Int
        var ip: String?
        var security: String
        var tlsVersion: String
        var saslMechanism: String
    }

    /// What the account's server offers.
    struct Server: Encodable {
        var externalServices: Bool
        var carbons: Bool
        var streamManagement: Bool
        var proxies: [Proxy]
        var uploads: [Upload]
    }

    /// A SOCKS5 proxy of the server.
    struct Proxy: Encodable {
        var address: String
        var hosts: [String]
        var reason: String?
    }

    /// A service that takes files over HTTP.
    struct Upload: Encodable {
        var address: String
        var maximumFileByteCount: UInt64?
    }

    /// One address of a STUN or TURN server, and whether it does its work.
    struct Service: Encodable {
        var kind: String
        var transport: String?
        var host: String
        var port: UInt16
        var ipVersion: Int?
        /// Left out when sleigh does not use such a server.
        var works: Bool?
        /// Our outside address, or the relayed one.
        var address: String?
        /// Why it does not work, or is not used.
        var reason: String?
    }

    /// What stands between this host and the world.
    struct Network: Encodable {
        /// `open`, `blocked` or `unknown`.
        var udp: String
        /// `udp`, `tcp` or `none`: what a relay can be reached over.
        var relay: String
        var ipv4: Family
        var ipv6: Family
    }

    /// The same for one version of the Internet Protocol.
    struct Family: Encodable {
        var hostAddresses: [String]
        /// The outside address without its port.
        var publicAddress: String?
        /// `none`, `translated` or `unknown`.
        var nat: String
        /// `endpoint-independent`, `endpoint-dependent` or `unknown`.
        var mapping: String
        /// How that was found, or why not.
        var mappingBasis: String
        /// Whether the outside port is that of the host.
        var keepsPort: Bool?
    }

    /// A person or a device.
    struct Peer: Encodable {
        var address: String
        /// `self`, `none`, `to`, `from` or `both`: who sees whose presence.
        var subscription: String?
        /// Whether somebody is there; left out when that cannot be told.
        var reachable: Bool?
        /// Whether some device can receive from this sleigh; left out when that cannot be told.
        var canReceive: Bool?
        /// Why not, or why that cannot be told.
        var reason: String?
        var devices: [PeerDevice]
    }

    /// A device of a peer.
    struct PeerDevice: Encodable {
        var address: String
        var client: String?
        var type: String?
        var priority: Int?
        var jingle: Bool?
        var fileTransfer: Bool?
        /// Whether it is asked when a file is sent to the bare address.
        var takesProposals: Bool?
        var transports: [String]
        var sharedTransports: [String]
        /// Left out when it did not say what it can do.
        var canReceive: Bool?
        var reason: String?
        /// What is known of its client, and may keep a file from arriving.
        var caveat: String?
    }
}
