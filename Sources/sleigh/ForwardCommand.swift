import ArgumentParser
import Client
import FileTransfer
import ICE
import Jingle
import TerminalUI
import XMPP

/// `sleigh forward`: forwards connections, as ssh does.
struct ForwardCommand: SleighCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward", abstract: "Forward TCP ports and Unix sockets to and from another host, as ssh does.",
        usage: """
            sleigh forward [-L FORWARD] ... [-R FORWARD] ... [OPTIONS] ADDRESS
            sleigh forward --stdio TARGET [OPTIONS] ADDRESS
            sleigh forward --listen [--allow TARGET] ... [--allow-listen ADDRESS] ... [OPTIONS]
            """,
        discussion: """
            All connections share one session, which is made again when it is lost. On one host, then on the other:

              sleigh forward --listen --from me@example.org --allow localhost:5432
              sleigh forward -L 5432:localhost:5432 you@example.org
            """)

    @Argument(
        help: ArgumentHelp(
            "Whom to connect to: you@example.org, or you@example.org/DEVICE for a certain device.",
            valueName: "address"))
    var address: String?

    @Option(
        name: [.customShort("L", allowingJoined: true), .customLong("local")],
        help: ArgumentHelp(
            """
            Listen here, and connect from there: [BIND:]PORT:HOST:PORT; either end can be the path of a Unix socket. \
            Without BIND, at this host's loopback addresses only. Can be repeated.
            """, valueName: "forward"))
    var local: [ForwardArgument] = []

    @Option(
        name: [.customShort("R", allowingJoined: true), .customLong("remote")],
        help: ArgumentHelp(
            "The other way round: listen there, and connect from here. Can be repeated.", valueName: "forward"))
    var remote: [ForwardArgument] = []

    @Option(
        help: ArgumentHelp(
            "Join standard input and output to this HOST:PORT or unix:PATH there, and end with it.",
            valueName: "target"))
    var stdio: String?

    @Flag(help: "Wait for others, and do for them what --allow and --allow-listen permit.")
    var listen = false

    @OptionGroup var rules: ForwardRuleOptions
    @OptionGroup var listening: ListeningOptions
    @OptionGroup var paths: PathOptions
    @OptionGroup var options: AccountOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try listening.check(
            listens: listen, address: address, purpose: "connect to",
            others: (["--allow", "--allow-listen"], rules.isUsed))
        if listen {
            guard local.isEmpty, remote.isEmpty, stdio == nil else {
                throw ValidationError("-L, -R and --stdio belong to the side that connects.")
            }
            guard rules.isUsed else {
                throw ValidationError("Nothing is allowed: name it with --allow or --allow-listen.")
            }
            return
        }
        guard (stdio == nil) != (local.isEmpty && remote.isEmpty) else {
            throw ValidationError("Say what to forward: with -L and -R, or with --stdio.")
        }
        if let stdio, target(stdio) == nil {
            throw ValidationError("'\(printable(stdio))' is neither HOST:PORT nor unix:PATH.")
        }
        if stdio != nil, output.json {
            throw ValidationError("Standard output carries the data: there is no room for --json.")
        }
        if remote.count > 64 { throw ValidationError("There can be 64 -R at most.") }
    }

    private func target(_ text: String) -> ForwardAddress? {
        ForwardAddress(text.hasPrefix("unix:") ? String(text.dropFirst(5)) : text)
    }

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        do {
            if let address {
                try await forward(to: try AccountOptions.address(address), console)
            } else {
                try await wait(console)
            }
        } catch is CancellationError where stdio != nil {
            // ssh ends its ProxyCommand with a signal each time, and may have given the terminal back already.
            throw Failure("", code: .interruptedByUser)
        } catch {
            throw ErrorReport.failure(for: error, direction: .forwarded)
        }
    }

    /// What somebody is asked about an offer.
    static func question(of request: IncomingRequest) -> String {
        "\(printable(request.peer.bare.description)) wants to forward connections."
    }

    private func wait(_ console: Console) async throws {
        let rules = rules.rules
        let acceptance = try listening.acceptance(question: Self.question)
        let service = Listening(
            account: try options.resolve(), device: try Device.load(), resource: listening.resource,
            applications: [.forward], paths: paths.policy, acceptance: acceptance, isOnce: false,
            announcement: "Connections are forwarded.", console: console)
        try await service.run { request in
            try await console.forward(request, rules)
        }
    }

    // MARK: The side that connects

    private func forward(to peer: JID, _ console: Console) async throws {
        let client = try await ForwardClient(local: local.map(\.forward), remote: remote.map(\.forward)) {
            console.take($0, for: peer)
        }
        let opening = Opening(
            account: try options.resolve(), device: try Device.load(), loop: try ICELoop(), policy: paths.policy,
            console: console)
        if let stdio, let target = target(stdio) {
            return try await opening.run { try await client.joinStandard(to: target, with: peer, service: $0) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { await client.serve() }
            try await keepForwarding(client, to: peer, opening)
        }
    }

    /// Makes one session after the other. One that could not be had at first is not tried again.
    private func keepForwarding(_ client: ForwardClient, to peer: JID, _ opening: Opening) async throws {
        var backoff = Backoff()
        while true {
            let started = ContinuousClock.now
            let why: String
            do {
                try await opening.run { try await client.run(with: peer, service: $0) }
                why = "\(printable(peer.description)) has ended the session."
            } catch let error where client.hasBeenEstablished && Self.mayPass(error) {
                why = ErrorReport.sentence(ErrorReport.failure(for: error, direction: .forwarded).message)
            }
            if .now - started > Self.lastingSession { backoff.reset() }
            var random = SystemRandomNumberGenerator()
            let pause = backoff.next(using: &random)
            opening.console.say("\(why) Trying again in \(Format.countdown(pause)).")
            if opening.console.isJSON { JSONLine.print(JSONLine.Disconnected(reason: why)) }
            try await Task.sleep(for: pause)
        }
    }

    /// Whether the same may go well later: the peer is gone, or the way to it.
    private static func mayPass(_ error: any Error) -> Bool {
        switch error {
        case let error as ClientError: error.isTransient
        case is StanzaChannelError: true
        case ForwardError.refused(_, let reason): reason != .notAllowed
        case let error as TransferError:
            switch error {
            case .peerNotFound, .peerOffline, .peerUnable, .notAnswered, .withdrawn, .noPath, .interrupted, .pathLost,
                .peerFailed, .serverConnectionLost:
                true
            case .declined, .checksumMismatch, .peerNotAuthenticated, .deviceChanged, .notEncrypted,
                .refusedAsInsecure, .protocolViolation:
                false
            }
        default: false
        }
    }

    /// How long a session has to last before the next attempt comes as soon as the first.
    private static let lastingSession = Duration.seconds(60)
}

/// What it takes to log in for one session.
private struct Opening: Sendable {
    var account: AccountOptions.Resolved
    var device: Device
    var loop: ICELoop
    var policy: TransferPolicy
    var console: Console

    /// Logs in, runs `body`, and logs out.
    func run(_ body: @Sendable (TransferService) async throws -> Void) async throws {
        let connection = try await Connection.open(
            account, device: device, resource: device.resourceForOneRun, loop: loop, policy: policy,
            applications: [.forward], console: console)
        do {
            try await body(connection.service)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }
}
