import Foundation
import Testing

/// What `sleigh check --json` prints, as far as the tests look at it.
private struct Checked: Decodable {
    struct Connection: Decodable {
        var host: String
        var port: Int
        var ip: String?
        var security: String
        var tlsVersion: String
        var saslMechanism: String
    }
    struct Server: Decodable {
        var externalServices: Bool
        var carbons: Bool
        var streamManagement: Bool
        var proxies: [Component]
        var uploads: [Component]
    }
    struct Component: Decodable {
        var address: String
        var hosts: [String]?
        var maximumFileByteCount: Int?
    }
    struct Service: Decodable {
        var kind: String
        var transport: String?
        var host: String
        var port: Int
        var ipVersion: Int?
        var works: Bool?
        var address: String?
        var reason: String?
    }
    struct Network: Decodable {
        var udp: String
        var relay: String
        var ipv4: Family
        var ipv6: Family
    }
    struct Family: Decodable {
        var hostAddresses: [String]
        var publicAddress: String?
        var nat: String
        var mapping: String
        var mappingBasis: String
        var keepsPort: Bool?
    }
    struct Peer: Decodable {
        var address: String
        var subscription: String?
        var reachable: Bool?
        var canReceive: Bool?
        var reason: String?
        var devices: [Device]
    }
    struct Device: Decodable {
        var address: String
        var client: String?
        var type: String?
        var priority: Int?
        var takesProposals: Bool?
        var transports: [String]
        var sharedTransports: [String]
        var canReceive: Bool?
        var reason: String?
    }

    var event: String
    var account: String
    var connection: Connection
    var server: Server?
    var services: [Service]?
    var network: Network?
    var recipient: Peer?

    init(_ exit: Program.Exit) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let line = try #require(exit.output.split(separator: "\n").first, "\(exit.messages)")
        self = try decoder.decode(Checked.self, from: Data(line.utf8))
        try #require(event == "checked", "\(exit.output)")
    }

    /// The services as `kind/transport/works`, for a comparison at one glance.
    var serviceWords: [String] {
        (services ?? []).map {
            "\($0.kind)/\($0.transport ?? "-")/\($0.works.map { $0 ? "works" : "fails" } ?? "unused")"
        }.sorted()
    }
}

/// A network, and what must be found out about it.
private struct NetworkCase: CustomTestStringConvertible {
    var topology: Topology
    var server: [String] = []
    var services: [String]
    var udp: String
    var relay: String
    var nat: String
    var mapping: String
    var publicAddress: String?
    /// Words of the reason why a service fails.
    var reason: String?

    var testDescription: String { "\(topology.rawValue) \(server.joined(separator: " "))" }
}

extension EndToEnd {
    @Suite("Check")
    struct Check {
        private static let allWork = ["stun/tcp/unused", "stun/udp/works", "turn/tcp/works", "turn/udp/works"]

        @Test(arguments: [
            NetworkCase(
                topology: .lan, services: allWork, udp: "open", relay: "udp", nat: "translated",
                mapping: "endpoint-independent", publicAddress: "198.51.100.2"),
            NetworkCase(
                topology: .twoNATs, services: allWork, udp: "open", relay: "udp", nat: "translated",
                mapping: "endpoint-independent", publicAddress: "198.51.100.2"),
            NetworkCase(
                topology: .symmetric, services: allWork, udp: "open", relay: "udp", nat: "translated",
                mapping: "endpoint-dependent", publicAddress: "198.51.100.2"),
            NetworkCase(
                topology: .veth, services: allWork, udp: "open", relay: "udp", nat: "none",
                mapping: "endpoint-independent", publicAddress: "10.0.3.1"),
            NetworkCase(
                topology: .udpBlocked,
                services: ["stun/tcp/unused", "stun/udp/fails", "turn/tcp/works", "turn/udp/fails"], udp: "blocked",
                relay: "tcp", nat: "unknown", mapping: "unknown", reason: "no answer over UDP"),
            NetworkCase(
                topology: .twoNATs, server: ["--wrong-turn-secret"],
                services: ["stun/tcp/unused", "stun/udp/works", "turn/tcp/fails", "turn/udp/fails"], udp: "open",
                relay: "none", nat: "translated", mapping: "unknown", publicAddress: "198.51.100.2",
                reason: "wrong user name or password"),
            NetworkCase(
                topology: .twoNATs, server: ["--no-turn"], services: [], udp: "unknown", relay: "none", nat: "unknown",
                mapping: "unknown"),
        ])
        fileprivate func networkIsFoundOut(_ expected: NetworkCase) async throws {
            try await World.with(expected.topology, server: expected.server + ["--components"]) { world in
                let exit = try await check([], in: world)
                #expect(exit.status == 0, "\(exit.messages)")
                let found = try Checked(exit)
                #expect(found.account.hasPrefix("alice@sleigh.test/sleigh-"))
                #expect(found.connection.host == "192.0.2.2" && found.connection.ip == "192.0.2.2")
                #expect(found.connection.port == 5222 && found.connection.security == "starttls")
                #expect(found.connection.tlsVersion == "TLSv1.3")
                #expect(found.connection.saslMechanism.hasPrefix("SCRAM-SHA-"))
                #expect(found.recipient == nil)

                let server = try #require(found.server)
                #expect(server.externalServices == !expected.services.isEmpty)
                #expect(server.carbons && server.streamManagement)
                #expect(server.proxies.map(\.address) == ["proxy.sleigh.test"])
                #expect(server.proxies.first?.hosts?.first?.hasPrefix("192.0.2.2:") == true)
                #expect(server.uploads.map(\.address) == ["upload.sleigh.test"])
                #expect(server.uploads.first?.maximumFileByteCount == 10_000_000)

                #expect(found.serviceWords == expected.services)
                for service in found.services ?? [] {
                    #expect(service.host == "192.0.2.2" && service.port == 3478)
                    #expect(
                        (service.works == true) == (service.address != nil)
                            && (service.works != true) == (service.reason != nil))
                    if service.works == false, let reason = expected.reason {
                        #expect(service.reason?.contains(reason) == true, "\(service)")
                    }
                }
                let network = try #require(found.network)
                #expect(network.udp == expected.udp && network.relay == expected.relay)
                #expect(network.ipv4.hostAddresses.count == 1)
                #expect(network.ipv4.nat == expected.nat && network.ipv4.publicAddress == expected.publicAddress)
                #expect(network.ipv4.mapping == expected.mapping, "\(network.ipv4)")
                #expect(network.ipv6.hostAddresses.isEmpty && network.ipv6.nat == "unknown")
            }
        }

        @Test func networkWithoutIPv4IsFoundOut() async throws {
            try await World.with(.ipv6) { world in
                let found = try Checked(try await check([], in: world))
                let server = try #require(found.server)
                #expect(!server.streamManagement && server.proxies.isEmpty && server.uploads.isEmpty)
                let network = try #require(found.network)
                #expect(network.udp == "open")
                #expect(network.ipv4.hostAddresses.isEmpty)
                #expect(network.ipv6.hostAddresses == ["2001:db8:a:2::2"])
                #expect(network.ipv6.publicAddress == "2001:db8:a:2::2" && network.ipv6.nat == "none")
                #expect(found.services?.contains { $0.kind == "stun" && $0.ipVersion == 6 && $0.works == true } == true)
            }
        }

        @Test func directTLSIsNamed() async throws {
            try await World.with(.veth, server: ["--tls-port", "5223"]) { world in
                let exit = try await check(["--server", "tls:192.0.2.2:5223"], in: world)
                let connection = try Checked(exit).connection
                #expect(connection.security == "direct-tls" && connection.port == 5223)
            }
        }

        @Test func reportForAPersonIsOnStandardOutput() async throws {
            try await World.with(.twoNATs) { world in
                let exit = try await world.sleigh("check", [], on: .a, as: "alice").exit()
                #expect(exit.status == 0, "\(exit.messages)")
                for title in ["Connection", "Server", "STUN and TURN servers", "Network"] {
                    #expect(exit.output.split(separator: "\n").contains { $0 == title }, "\(exit.output)")
                }
                #expect(exit.output.contains("198.51.100.2"))
                #expect(!exit.messages.contains("Network") && exit.messages.contains("Asking"))
            }
        }

        // MARK: - With an address

        @Test func peersAreToldApart() async throws {
            try await World.with(.veth, server: ["--contacts", "alice:bob"]) { world in
                // Nobody is there yet.
                let unknown = try await check(["nobody@sleigh.test"], in: world)
                let (stranger, offline) = (
                    try await check(["carol@sleigh.test"], in: world), try await check(["bob@sleigh.test"], in: world)
                )
                for exit in [unknown, stranger] {
                    let peer = try peer(exit, status: 1)
                    #expect(peer.subscription == "none" && peer.reachable == nil && peer.canReceive == nil)
                    #expect(peer.reason?.contains("presence") == true && peer.devices.isEmpty)
                }
                let bob = try peer(offline, status: 4)
                #expect(bob.subscription == "both" && bob.reachable == false && bob.canReceive == false)
                let alone = try peer(try await check(["alice@sleigh.test"], in: world), status: 4)
                #expect(alone.subscription == "self" && alone.reachable == false)
                let missing = try peer(try await check(["bob@sleigh.test/desk"], in: world), status: 4)
                #expect(missing.reachable == false && missing.reason?.contains("no such device") == true)

                // Everybody is there.
                let desk = try await world.receiver(["--yes", "--resource", "desk"])
                let home = try await world.receiver(["--yes", "--resource", "home"], as: "alice")
                let car = try await world.receiver(["--yes", "--resource", "car"], as: "carol")
                let contact = try peer(try await check(["bob@sleigh.test"], in: world), status: 0)
                #expect(contact.reachable == true && contact.canReceive == true)
                #expect(contact.devices.map(\.address) == ["bob@sleigh.test/desk"])
                let device = try #require(contact.devices.first)
                #expect(device.canReceive == true && device.takesProposals == true && device.priority == 0)
                #expect(device.client == "Sleigh" && device.type == "console")
                #expect(device.sharedTransports.contains("ice-quic"))
                let own = try peer(try await check(["alice@sleigh.test"], in: world), status: 0)
                #expect(own.devices.map(\.address) == ["alice@sleigh.test/home"])
                let named = try peer(try await check(["carol@sleigh.test/car"], in: world), status: 0)
                #expect(named.subscription == "none" && named.reachable == true && named.canReceive == true)
                let hidden = try peer(try await check(["carol@sleigh.test"], in: world), status: 1)
                #expect(hidden.reachable == nil)

                // Nothing has rung.
                for receiver in [desk, home, car] {
                    #expect(receiver.isRunning)
                    #expect(try Event.all(in: receiver.output).map(\.event) == ["ready"])
                    receiver.signal(SIGINT)
                    _ = try await receiver.exit()
                }
            }
        }

        @Test func devicesOfOtherKindsAreNamedWithTheReason() async throws {
            try await World.with(.veth, server: ["--contacts", "alice:bob"]) { world in
                let jingle = ["urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:file-transfer:5"]
                let foreign = try await world.scriptedClient(
                    "bob", resource: "dino", features: jingle + ["urn:xmpp:jingle:transports:raw-udp:1"])
                let only = try peer(try await check(["bob@sleigh.test"], in: world), status: 4)
                #expect(only.reachable == true && only.canReceive == false)
                #expect(only.devices.first?.transports == ["raw-udp"])
                #expect(only.devices.first?.reason?.contains("no transport in common") == true)
                let named = try peer(try await check(["bob@sleigh.test/dino"], in: world), status: 4)
                #expect(named.reachable == true && named.canReceive == false)

                let quiet = try await world.scriptedClient(
                    "bob", resource: "quiet", priority: -2,
                    features: jingle + ["urn:sleigh:jingle:transports:ice-quic:0", "urn:xmpp:jingle-message:0"])
                let both = try peer(try await check(["bob@sleigh.test"], in: world), status: 0)
                #expect(both.devices.map(\.address) == ["bob@sleigh.test/dino", "bob@sleigh.test/quiet"])
                #expect(both.devices.last?.canReceive == true && both.devices.last?.takesProposals == false)
                _ = try peer(try await check(["bob@sleigh.test/quiet"], in: world), status: 0)

                // One that no longer answers is still seen for a while.
                foreign.signal(SIGKILL)
                _ = try await foreign.exit()
                quiet.signal(SIGSTOP)
                let stopped = try peer(try await check(["bob@sleigh.test"], in: world), status: 4)
                #expect(stopped.reachable == false)
                #expect(stopped.devices.last?.canReceive == nil)
                #expect(stopped.devices.last?.reason?.contains("did not answer") == true)
                quiet.signal(SIGKILL)
                _ = try await quiet.exit()
            }
        }

        @Test func wrongPasswordIsALoginFailure() async throws {
            try await World.with(.veth) { world in
                try Data("wrong\n".utf8).write(to: world.folder.appending(path: "alice.password"))
                let exit = try await check([], in: world)
                #expect(exit.status == 3)
                #expect(try exit.events.map(\.event) == ["failed"])
            }
        }

        private func check(_ arguments: [String], in world: World) async throws -> Program.Exit {
            try await world.sleigh("check", arguments + ["--json"], on: .a, as: "alice").exit()
        }

        /// What was found of the peer; with a failure, also that it is the last line.
        private func peer(
            _ exit: Program.Exit, status: Int32, sourceLocation: SourceLocation = #_sourceLocation
        ) throws -> Checked.Peer {
            #expect(exit.status == status, "\(exit.messages)", sourceLocation: sourceLocation)
            let failed = try exit.events.last { $0.event == "failed" }
            #expect(failed?.exitCode == (status == 0 ? nil : status), sourceLocation: sourceLocation)
            let found = try Checked(exit)
            #expect(found.server == nil && found.network == nil, sourceLocation: sourceLocation)
            return try #require(found.recipient, sourceLocation: sourceLocation)
        }
    }
}
