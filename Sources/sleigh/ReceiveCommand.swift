import ArgumentParser
import FileTransfer
import TerminalUI
import XMPP

/// `sleigh receive`: waits for files.
struct ReceiveCommand: SleighCommand {
    static let configuration = CommandConfiguration(
        commandName: "receive", abstract: "Wait for files, and ask before accepting them.",
        usage: "sleigh receive [OPTIONS]")

    @Option(help: ArgumentHelp("Put files into this folder.", valueName: "folder"))
    var into = "."

    @Flag(help: "End after one file.")
    var once = false

    @Flag(help: "Replace a file that exists, instead of calling the new one 'NAME (1)'.")
    var overwrite = false

    @Option(
        help: ArgumentHelp(
            "Beside files, let peers forward connections to this HOST:PORT, HOST:* or unix:PATH. Can be repeated.",
            valueName: "target"))
    var allowForward: [String] = []

    @OptionGroup var listening: ListeningOptions
    @OptionGroup var paths: PathOptions
    @OptionGroup var options: AccountOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        for text in allowForward where ForwardRules.Pattern(connecting: text) == nil {
            throw ValidationError("'\(printable(text))' is none of HOST:PORT, HOST:* and unix:PATH.")
        }
        if once, !allowForward.isEmpty { throw ValidationError("Leave out --once or --allow-forward.") }
    }

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        let rules = ForwardRules(connecting: allowForward.compactMap { ForwardRules.Pattern(connecting: $0) })
        let acceptance = try listening.acceptance { request in
            if request.application == .forward { return ForwardCommand.question(of: request) }
            let size = request.byteCount.map { " (\(Format.bytes($0)))" } ?? ""
            // Libervia proposes a file without a word about it.
            let name =
                request.name.isEmpty ? "a file that its client does not name" : printable(request.name, columns: 120)
            return "\(printable(request.peer.bare.description)) wants to send \(name)\(size)."
        }
        let account = try options.resolve()
        let folder = try DestinationFolder(path: into)
        let device = try Device.load()
        let service = Listening(
            account: account, device: device, resource: listening.resource,
            applications: allowForward.isEmpty ? [.file] : [.file, .forward], paths: paths.policy,
            acceptance: acceptance, isOnce: once,
            announcement: "Files go into \(printable(Folders.absolute(folder.path))).", console: console)
        try await service.run { [existing = overwrite ? ExistingFile.replace : .keep] request in
            if request.application == .forward { return try await console.forward(request, rules) }
            let progress = TransferProgress(
                console: console, name: request.name.isEmpty ? "file" : request.name, byteCount: request.byteCount,
                direction: .in)
            let (summary, file) = try await request.accept(into: folder, existing: existing) { progress.take($0) }
            console.complete(summary, file: file)
        }
    }
}
