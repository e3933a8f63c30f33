import ArgumentParser
import Client
import FileTransfer
import ICE
import SecureChannels
import TerminalUI
import Transports
import XMPP

/// `sleigh receive`: waits for files.
struct ReceiveCommand: SleighCommand {
    static let configuration = CommandConfiguration(
        commandName: "receive", abstract: "Wait for files, and ask before accepting them.")

    @Option(help: ArgumentHelp("Put files into this folder.", valueName: "folder"))
    var into = "."

    @Flag(help: "Accept everything from everybody without asking.")
    var yes = false

    @Option(
        help: ArgumentHelp(
            "Accept files from this address without asking, and decline all others. Can be repeated.",
            valueName: "address"))
    var from: [String] = []

    @Flag(help: "End after one file.")
    var once = false

    @Flag(help: "Replace a file that exists, instead of calling the new one 'NAME (1)'.")
    var overwrite = false

    @Option(help: ArgumentHelp("The name of this device, by which peers can address it.", valueName: "name"))
    var resource: String?

    @OptionGroup var paths: PathOptions
    @OptionGroup var options: AccountOptions
    @OptionGroup var output: OutputOptions

    /// How long a connection has to hold before the next attempt comes as soon as the first.
    private static let lastingConnection = Duration.seconds(60)

    func validate() throws {
        if yes, !from.isEmpty {
            throw ValidationError("--yes accepts files from everybody: leave out --yes or --from.")
        }
        if let resource, JID(local: nil, domain: "localhost", resource: resource) == nil {
            throw ValidationError("'\(printable(resource))' cannot be the name of a device.")
        }
    }

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        let senders = try from.map { address throws(Failure) in try AccountOptions.address(address).bare }
        let policy = try Acceptance(everybody: yes, senders: Set(senders))
        let account = try options.resolve()
        let folder = try DestinationFolder(path: into)
        let device = try Device.load()
        let loop = try ICELoop()
        var backoff = Backoff()
        var hasConnected = false
        while true {
            do {
                let connection = try await Connection.open(
                    account, device: device, resource: resource ?? device.name, loop: loop, policy: paths.policy,
                    takesOffers: true, console: console)
                hasConnected = true
                let connected = ContinuousClock.now
                let service = ReceivingService(
                    connection: connection, folder: folder, existing: overwrite ? .replace : .keep, policy: policy,
                    isOnce: once, console: console)
                do {
                    let isDone = try await service.run()
                    await connection.close()
                    if isDone { return }
                } catch {
                    await connection.close()
                    // Of a stream that ended before we were on-line the client knows more.
                    guard error is StanzaChannelError, !service.hasStarted else { throw error }
                }
                // A server that lets us in and throws us out again must not be asked at once for ever.
                if .now - connected > Self.lastingConnection { backoff.reset() }
                throw try await connection.client.closed
            } catch let error as ClientError where hasConnected && error.isTransient {
                var random = SystemRandomNumberGenerator()
                let pause = backoff.next(using: &random)
                console.say("\(ErrorReport.sentence(error.description)) Trying again in \(Format.countdown(pause)).")
                try await Task.sleep(for: pause)
            }
        }
    }
}
