import ArgumentParser
import FileTransfer
import ICE
import TerminalUI
import Transports
import XMPP

/// `sleigh pipe`: joins two programs.
struct PipeCommand: SleighCommand {
    static let configuration = CommandConfiguration(
        commandName: "pipe", abstract: "Join standard input and output to those of another host.",
        usage: """
            sleigh pipe [OPTIONS] ADDRESS
            sleigh pipe --listen [OPTIONS]
            """,
        discussion: """
            Both directions are open at once, and each ends on its own. Standard output carries nothing but data. When the \
            path is lost midway, the pipe goes on over another.

              tar c . | sleigh pipe you@example.org                          on one host
              sleigh pipe --listen --from me@example.org </dev/null | tar x  on the other
            """)

    @Argument(
        help: ArgumentHelp(
            "Whom to connect to: you@example.org, or you@example.org/DEVICE for a certain device.",
            valueName: "address"))
    var address: String?

    @Flag(help: "Wait for somebody to connect, and end with that connection.")
    var listen = false

    @Option(
        help: ArgumentHelp(
            "With --listen: join each connection to this HOST:PORT or unix:PATH instead, and go on listening.",
            valueName: "target"))
    var connect: String?

    @Option(
        help: ArgumentHelp(
            "With --listen: join each connection to a new run of this shell command instead, and go on listening.",
            valueName: "command"))
    var exec: String?

    @Flag(help: "With --connect or --exec: end after one connection.")
    var once = false

    @Flag(
        help: """
            Permit a stream to or from Libervia, which knows one direction only and no end-to-end encryption. Without this \
            no stream is ever without it.
            """)
    var allowUnencrypted = false

    @OptionGroup var listening: ListeningOptions
    @OptionGroup var paths: PathOptions
    @OptionGroup var options: AccountOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try listening.check(
            listens: listen, address: address, purpose: "connect to",
            others: (["--connect", "--exec", "--once"], connect != nil || exec != nil || once))
        if allowUnencrypted, paths.requireE2e {
            throw ValidationError("--require-e2e refuses what --allow-unencrypted permits: leave out one of them.")
        }
        if connect != nil, exec != nil { throw ValidationError("Leave out --connect or --exec.") }
        if let connect, StreamTarget(address: connect) == nil {
            throw ValidationError("'\(printable(connect))' is neither HOST:PORT nor unix:PATH.")
        }
        if output.json, target == .standard {
            throw ValidationError("Standard output carries the data: there is no room for --json.")
        }
    }

    private var policy: TransferPolicy {
        var policy = paths.policy
        policy.permitsOneWayStreams = allowUnencrypted
        return policy
    }

    /// What the stream is joined to on this side.
    private var target: StreamTarget {
        if let exec { return .command(exec) }
        return connect.flatMap { StreamTarget(address: $0) } ?? .standard
    }

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        do {
            if let address { try await open(address, console) } else { try await wait(console) }
        } catch is CancellationError {
            // ssh ends its ProxyCommand with a signal each time, and may have given the terminal back already.
            throw Failure("", code: .interruptedByUser)
        } catch {
            throw ErrorReport.failure(for: error, direction: .both)
        }
    }

    private func open(_ address: String, _ console: Console) async throws {
        let peer = try AccountOptions.address(address)
        let account = try options.resolve()
        let device = try Device.load()
        let loop = try ICELoop()
        let connection = try await Connection.open(
            account, device: device, resource: device.resourceForOneRun, loop: loop, policy: policy,
            applications: [.stream], console: console)
        do {
            let opener = StreamOpener(service: connection.service) { console.take($0) }
            console.complete(try await opener.open(to: peer))
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }

    private func wait(_ console: Console) async throws {
        let target = target
        let acceptance = try listening.acceptance { request in
            "\(printable(request.peer.bare.description)) wants to connect to \(printable(target.description))."
        }
        let service = Listening(
            account: try options.resolve(), device: try Device.load(), resource: listening.resource,
            applications: [.stream], paths: policy, acceptance: acceptance, isOnce: once || target == .standard,
            announcement: "Connections go to \(printable(target.description)).", console: console)
        try await service.run { request in
            console.complete(try await request.accept(joining: target) { console.take($0) })
        }
    }
}

extension Console {
    /// Says what happens to a stream. Most of it is for those alone who want to know, since the terminal may be that of a
    /// program that runs `sleigh pipe`.
    func take(_ event: TransferEvent) {
        switch event {
        case .inviting(let peer): detail("Asking \(printable(peer.description)) …")
        case .ringing(let device): say("Waiting for \(printable(device.description)) to accept …")
        case .accepted(let device): detail("\(printable(device.description)) accepted.")
        case .connected(let path, let peer, _):
            detail("Connected to \(printable(peer.description)): \(path)\(path.ends).")
            if !path.isEndToEndEncrypted {
                say(
                    """
                    In one direction only, and not end-to-end encrypted: the client of \(printable(peer.bare.description)) \
                    can do no more.
                    """)
            }
            for reason in path.reasons { detail("  Not a better path: \(printable(reason)).") }
            for sentence in path.limits.sentences(.both) { detail(sentence) }
        case .pathLost(let why): say("The path was lost: \(printable(why)). Looking for another …")
        case .resumed: say("Going on where it stopped.")
        case .progress, .verifying: break
        }
    }

    /// Says that a stream is over.
    fileprivate func complete(_ summary: StreamSummary) {
        detail(
            """
            Done with \(printable(summary.peer.description)): \(Format.bytes(summary.sentByteCount)) sent, \
            \(Format.bytes(summary.receivedByteCount)) received, \(summary.path.text).
            """)
    }
}
