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
        commandName: "send", abstract: "Send files to somebody, or to another host of yours.",
        usage: "sleigh send [OPTIONS] FILE ... ADDRESS",
        discussion: "Several files go one after the other, all to the device that accepts the first.")

    @Argument(
        help: ArgumentHelp(
            "The files, and last whom to send them to: you@example.org, or you@example.org/DEVICE for a certain device.",
            valueName: "file ... address"))
    var filesAndAddress: [String]

    @OptionGroup var paths: PathOptions
    @OptionGroup var options: AccountOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard filesAndAddress.count >= 2 else {
            throw ValidationError("Name a file, and an address to send it to.")
        }
    }

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        let target = try AccountOptions.address(filesAndAddress[filesAndAddress.count - 1])
        let account = try options.resolve()
        let sources = try filesAndAddress.dropLast().map { path throws(LocalFileError) in try FileSource(path: path) }
        let device = try Device.load()
        let loop = try ICELoop()
        let connection = try await Connection.open(
            account, device: device, resource: device.resourceForOneRun, loop: loop, policy: paths.policy,
            applications: [.file], console: console)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await console.display.run() }
                defer { group.cancelAll() }
                var (target, started) = (target, started)
                for source in sources {
                    let progress = TransferProgress(
                        console: console, name: source.name, byteCount: source.byteCount, direction: .out)
                    let sender = FileSender(service: connection.service) { progress.take($0) }
                    let summary = try await sender.send(source, to: target, started: started)
                    console.complete(summary)
                    (target, started) = (summary.peer, .now)
                }
            }
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }
}
