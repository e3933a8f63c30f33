import Foundation

/// A program that was started, and what it has printed so far.
///
/// Not Foundation's `Process`: that one waits for the programs, too, that the program has left running.
final class Program {
    /// How a program ended; a signal that ended it counts as 128 + its number.
    struct Exit {
        var status: Int32
        var output: String
        var messages: String

        var events: [Event] { get throws { try Event.all(in: output) } }
        var completed: [Event] { get throws { try events.filter { $0.event == "completed" } } }
    }

    let arguments: [String]
    private let processID: pid_t
    private var status: Int32?
    private let outputFile: URL
    private let messagesFile: URL
    private let terminal: PseudoTerminal?

    /// Starts the program. What it prints goes to files in `folder`, named after it; at a terminal, its messages go there.
    init(
        _ arguments: [String], named name: String, environment: [String: String] = [:], folder: URL,
        terminal: PseudoTerminal? = nil
    ) throws {
        self.arguments = arguments
        outputFile = folder.appending(path: "\(name).output")
        messagesFile = folder.appending(path: "\(name).messages")
        self.terminal = terminal
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SLEIGH_") }
        variables["PATH", default: ""] += ":/usr/sbin:/sbin"
        variables.merge(environment) { $1 }
        processID = try Self.spawn(
            arguments, environment: variables.map { "\($0)=\($1)" },
            output: outputFile.path, messages: messagesFile.path, terminal: terminal?.path)
    }

    deinit {
        if isRunning { kill(processID, SIGKILL) }
    }

    private static func spawn(
        _ arguments: [String], environment: [String], output: String, messages: String, terminal: String?
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let writing = O_WRONLY | O_CREAT | O_TRUNC
        // The leader of a new session makes the first terminal it opens its own.
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, terminal ?? "/dev/null", O_RDWR, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, writing, 0o600)
        if terminal != nil {
            posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, messages, writing, 0o600)
        }

        // Whoever started the tests may have ignored the signals that some of them send, and this thread blocks them.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        // POSIX_SPAWN_SETSID of spawn.h, which Swift does not see.
        let newSession: Int32 = 0x80
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (terminal == nil ? 0 : newSession)
        posix_spawnattr_setflags(&attributes, Int16(flags))

        let copies = arguments.map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { (copies + variables).forEach { free($0) } }
        var processID: pid_t = 0
        let code = posix_spawnp(&processID, arguments[0], &actions, &attributes, copies, variables)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EINVAL) }
        return processID
    }

    var isRunning: Bool {
        guard status == nil else { return false }
        var word: Int32 = 0
        guard waitpid(processID, &word, WNOHANG) == processID else { return true }
        let signal = word & 0x7f
        status = signal == 0 ? (word >> 8) & 0xff : 128 + signal
        return false
    }

    var output: String { text(of: outputFile) }
    var messages: String { terminal?.text ?? text(of: messagesFile) }

    private func text(of file: URL) -> String {
        String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self)
    }

    func signal(_ number: Int32) {
        if isRunning { kill(processID, number) }
    }

    /// Waits for the end of the program. The limit is for one that hangs, and says nothing about how long it may take.
    func exit(within limit: Duration = .seconds(120)) async throws -> Exit {
        do {
            try await wait(for: "end of \(arguments)", within: limit) { !isRunning }
        } catch let error as TimedOut {
            signal(SIGKILL)
            throw TimedOut(description: "\(error.description); it printed:\n\(output)\(messages)")
        }
        return Exit(status: status ?? -1, output: output, messages: messages)
    }

    /// Waits for an event the program reports under `--json`, the first or a later one of that name.
    func event(_ name: String, number: Int = 1, within limit: Duration = .seconds(90)) async throws -> Event {
        var found: Event?
        do {
            try await wait(for: "event \(name)", within: limit) {
                let running = isRunning
                // The last line may be half written.
                let printed = output
                let whole = printed.lastIndex(of: "\n").map { String(printed[...$0]) } ?? ""
                found = try Event.all(in: whole).filter { $0.event == name }.dropFirst(number - 1).first
                return found != nil || !running
            }
        } catch let error as TimedOut {
            throw TimedOut(description: "\(error.description); it printed:\n\(output)\(messages)")
        }
        guard let found else {
            throw TimedOut(description: "\(arguments) ended without its event \(name):\n\(output)\(messages)")
        }
        return found
    }
}
