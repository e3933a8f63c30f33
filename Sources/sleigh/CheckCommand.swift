import ArgumentParser
import Client
import FileTransfer
import ICE
import TerminalUI
import XMPP

/// `sleigh check`: says what paths there are from here, or whether somebody can receive.
struct CheckCommand: SleighCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say what works from here, or whether somebody can receive.",
        usage: "sleigh check [OPTIONS] [ADDRESS]",
        discussion: """
            Without an address: the account's server and what it offers, which STUN and TURN servers work, and what kind of \
            NAT this host is behind. With one: whether that person or device is reachable and can receive a file. Nobody's \
            device rings.
            """)

    @Argument(help: "Whom to look for: you@example.org, or you@example.org/DEVICE for a certain device.")
    var address: String?

    @OptionGroup var options: AccountOptions
    @OptionGroup var output: OutputOptions

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        let peer = try address.map { text throws(Failure) in try AccountOptions.address(text) }
        let account = try options.resolve()
        let device = try Device.load()
        console.say("Logging in as \(printable(account.address.bare.description)) …")
        let client = try await XMPPClient.connect(
            try account.clientConfiguration(resource: device.resourceForOneRun, features: TransferService.features),
            log: console.log)
        do {
            var report = CheckReport(
                account: printable(client.address.description), connection: .init(client.stream))
            var failure: Failure?
            if let peer {
                console.say("Looking for \(printable(peer.description)) …")
                let found = try await PeerCheck(client: client, console: console).run(peer)
                failure = found.failure
                report.recipient = found.report
            } else {
                console.say("Asking the server what it offers …")
                report.server = .init(try await client.serverFeatures())
                let services = try await client.externalServices()
                console.say("Trying \(services.count == 1 ? "one server" : "\(services.count) servers") …")
                let network = NetworkCheck(probe: ICEProbe(loop: try ICELoop()), services: services)
                (report.services, report.network) = try await network.run()
            }
            await close(client)
            if console.isJSON {
                JSONLine.print(report)
            } else {
                for line in report.lines { JSONLine.write(line: line) }
            }
            if let failure { throw failure }
        } catch {
            await close(client)
            throw error
        }
    }

    private func close(_ client: XMPPClient) async {
        // In a task of its own: a cancelled one can send nothing.
        await Task { await client.close() }.value
    }
}

extension CheckReport.Connection {
    fileprivate init(_ stream: StreamDescription) {
        self.init(
            host: stream.endpoint.host, port: stream.endpoint.port, ip: stream.ipAddress,
            security: stream.endpoint.security == .directTLS ? "direct-tls" : "starttls",
            tlsVersion: stream.tlsVersion, saslMechanism: stream.mechanism)
    }
}

extension CheckReport.Server {
    fileprivate init(_ features: ServerFeatures) {
        self.init(
            externalServices: features.hasExternalServices, carbons: features.hasCarbons,
            streamManagement: features.hasStreamManagement,
            proxies: features.proxies.map { proxy in
                CheckReport.Proxy(
                    address: printable(proxy.address.description),
                    hosts: proxy.hosts.map {
                        $0.host.contains(":") ? "[\($0.host)]:\($0.port)" : "\($0.host):\($0.port)"
                    },
                    reason: proxy.refusal.map { "it refuses to tell its address (\($0.condition.rawValue))" })
            },
            uploads: features.uploads.map {
                CheckReport.Upload(
                    address: printable($0.address.description), maximumFileByteCount: $0.service.maximumFileByteCount)
            })
    }
}
