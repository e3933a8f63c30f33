import ArgumentParser
import Glibc
import TerminalUI

/// The command line.
struct Sleigh: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sleigh",
        abstract: "Sends files, joins programs and forwards ports straight from one host to another.",
        discussion: """
            XMPP carries the negotiation; the bytes travel directly where they can, encrypted from end to end.

              sleigh login me@example.org          asks for the password and keeps it
              sleigh receive                       on one host
              sleigh send big.iso you@example.org  on the other
            """,
        version: "0.1.0",
        subcommands: [
            LoginCommand.self, ReceiveCommand.self, SendCommand.self, PipeCommand.self, ForwardCommand.self,
            BenchCommand.self,
            CheckCommand.self,
        ])
}

/// The program: parses the command line and runs what it asks for.
@main
enum Program {
    static func main() {
        let started = ContinuousClock.now
        do {
            let command = try Sleigh.parseAsRoot()
            guard let command = command as? any SleighCommand else {
                // No subcommand was named: this prints the help.
                var command = command
                return try command.run()
            }
            let console = Console(command.output)
            Interruption.run {
                do {
                    try await command.run(console, started: started)
                    return .done
                } catch {
                    let failure = ErrorReport.failure(for: error)
                    console.fail(failure)
                    return failure.code
                }
            }
        } catch {
            let isFine = Sleigh.exitCode(for: error) == .success
            var text = Sleigh.fullMessage(for: error)
            if text.hasPrefix("Error: ") { text = "sleigh: " + text.dropFirst("Error: ".count) }
            (isFine ? Terminal.standardOutput : Terminal.standardError).writeLine(text)
            exit((isFine ? ExitStatus.done : .usage).rawValue)
        }
    }
}

/// A command that works with the network: parsed by ArgumentParser, run by ``Program/main()``.
protocol SleighCommand: AsyncParsableCommand, Sendable {
    /// How results and messages are shown.
    var output: OutputOptions { get }

    /// Does the work.
    ///
    /// - Parameter started: when the program started.
    /// - Throws: anything ``ErrorReport`` knows.
    func run(_ console: Console, started: ContinuousClock.Instant) async throws
}

/// The options that say what is shown, shared by every command.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON object a line on standard output.")
    var json = false

    @Flag(name: .shortAndLong, help: "Say what is tried, and why it fails.")
    var verbose = false
}
