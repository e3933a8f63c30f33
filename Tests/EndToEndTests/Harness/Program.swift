import Foundation

/// A program that was started, and what it has printed so far.
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
    private let process = Process()
    private let outputFile: URL
    private let messagesFile: URL

    /// Starts the program. What it prints goes to files in `folder`, named after it.
    init(_ arguments: [String], named name: String, environment: [String: String] = [:], folder: URL) throws {
        self.arguments = arguments
        outputFile = folder.appending(path: "\(name).output")
        messagesFile = folder.appending(path: "\(name).messages")
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        var inherited = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SLEIGH_") }
        inherited["PATH", default: ""] += ":/usr/sbin:/sbin"
        process.environment = inherited.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try Self.handle(of: outputFile)
        process.standardError = try Self.handle(of: messagesFile)
        try process.run()
    }

    private static func handle(of file: URL) throws -> FileHandle {
        try Data().write(to: file)
        return try FileHandle(forWritingTo: file)
    }

    var isRunning: Bool { process.isRunning }
    var output: String { text(of: outputFile) }
    var messages: String { text(of: messagesFile) }

    private func text(of file: URL) -> String {
        String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self)
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits for the end of the program.
    func exit(within limit: Duration = .seconds(60)) async throws -> Exit {
        do {
            try await wait(for: "end of \(arguments)", within: limit) { !process.isRunning }
        } catch let error as TimedOut {
            signal(SIGKILL)
            throw TimedOut(description: "\(error.description); it printed:\n\(output)\(messages)")
        }
        let bySignal = process.terminationReason == .uncaughtSignal
        return Exit(
            status: process.terminationStatus + (bySignal ? 128 : 0), output: output, messages: messages)
    }

    /// Waits for an event the program reports under `--json`.
    func event(_ name: String, within limit: Duration = .seconds(30)) async throws -> Event {
        var found: Event?
        do {
            try await wait(for: "event \(name)", within: limit) {
                // The last line may be half written.
                let whole = output[...(output.lastIndex(of: "\n") ?? output.startIndex)]
                found = output.isEmpty ? nil : try Event.all(in: String(whole)).first { $0.event == name }
                return found != nil || !process.isRunning
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
