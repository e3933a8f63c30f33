import ArgumentParser
import FileTransfer
import ICE
import SecureChannels
import TerminalUI
import Transports
import XMPP

/// `sleigh send`: sends a file.
struct SendCommand: SleighCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Send a file to somebody, or to another host of yours.")

    @Argument(help: "The file.")
    var file: String

    @Argument(help: "Whom to send it to: you@example.org, or you@example.org/DEVICE for a certain device.")
    var address: String

    @Flag(help: "Hide this host's addresses from the peer: send through the server's TURN relay only.")
    var relayOnly = false

    @OptionGroup var options: AccountOptions
    @OptionGroup var output: OutputOptions

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        let target = try AccountOptions.address(address)
        let account = try options.resolve()
        let source = try FileSource(path: file)
        let device = try Device.load()
        let loop = try ICELoop()
        let connection = try await Connection.open(
            account, device: device, resource: device.resourceForOneRun, loop: loop, relayOnly: relayOnly,
            console: console)
        let progress = TransferProgress(
            console: console, name: source.name, byteCount: source.byteCount, direction: .out)
        do {
            let sender = FileSender(service: connection.service) { progress.take($0) }
            let summary = try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await console.display.run() }
                defer { group.cancelAll() }
                return try await sender.send(source, to: target, started: started)
            }
            console.complete(summary)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }
}
