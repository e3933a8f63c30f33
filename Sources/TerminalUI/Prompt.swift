internal import Glibc

/// Asks the person at the terminal, which is not where the data comes from or goes to.
///
/// One question at a time is asked in a process.
public struct Prompt: Sendable {
    private let path: String

    /// Asks on the process's controlling terminal.
    public init() { self.init(path: "/dev/tty") }

    /// Asks on any terminal.
    init(path: String) { self.path = path }

    /// Whether there is a terminal to ask on.
    public static var isPossible: Bool {
        let descriptor = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    }

    /// Asks for a password, which is not shown while it is typed.
    ///
    /// The terminal gets its echo back whatever ends the question: an answer, a cancelled task, a signal, `exit`.
    ///
    /// - Parameter question: printable, such as `Password for me@example.org: `.
    /// - Throws: ``PromptError``, or `CancellationError` when the calling task is cancelled.
    public func password(_ question: String) async throws -> String {
        try await asking { tty throws(PromptError) in
            let echo = try HiddenEcho(tty.descriptor)
            tty.discardTypedAhead()
            tty.write(question)
            let answer = Result { () throws(PromptError) in try tty.readLine() }
            echo.restore()
            tty.write("\n")
            return try answer.get()
        }
    }

    /// Asks a question that is answered with yes or no.
    ///
    /// - Parameters:
    ///   - question: printable, without the choice of answers, which is added: `Accept? [y/N] `.
    ///   - standard: what an empty answer means; without it the question is asked again.
    /// - Throws: ``PromptError``, also after three answers that are neither; or `CancellationError`.
    public func confirm(_ question: String, default standard: Bool? = nil) async throws -> Bool {
        let choice = standard.map { $0 ? "[Y/n]" : "[y/N]" } ?? "[y/n]"
        return try await asking { tty throws(PromptError) in
            tty.discardTypedAhead()
            for _ in 0..<3 {
                tty.write("\(question) \(choice) ")
                switch try tty.readLine().filter({ $0 != " " && $0 != "\t" }).lowercased() {
                case "y", "yes": return true
                case "n", "no": return false
                case "" where standard != nil: return standard ?? false
                default: tty.write("Please answer yes or no.\n")
                }
            }
            throw .noAnswer
        }
    }

    /// Runs a question on a thread of its own, since a terminal can only be waited for.
    private func asking<Answer: Sendable>(
        _ body: @escaping @Sendable (TTY) throws(PromptError) -> Answer
    ) async throws -> Answer {
        try Task.checkCancellation()
        let tty = try TTY(path: path)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                PromptThread.start {
                    continuation.resume(returning: Result { () throws(PromptError) in try body(tty) })
                }
            }
        } onCancel: {
            tty.wake()
        }
        if case .failure(let error) = result, error == .woken || error == .ended {
            // The question has no answer, so the cursor is still behind it.
            tty.write("\n")
        }
        if case .failure(.woken) = result { throw CancellationError() }
        return try result.get()
    }
}

/// Why a question was not answered.
public enum PromptError: Error, Sendable, Hashable, CustomStringConvertible {
    /// There is no terminal to ask on.
    case noTerminal
    /// The terminal was closed, or the answer was Ctrl-D.
    case ended
    /// The answers made no sense.
    case noAnswer
    /// Another question is being asked.
    case busy
    /// The question was withdrawn; never thrown to callers.
    case woken

    /// A sentence without a hint.
    public var description: String {
        switch self {
        case .noTerminal: "there is no terminal to ask on"
        case .ended: "the terminal was closed before there was an answer"
        case .noAnswer: "there was no usable answer"
        case .busy: "another question is still open"
        case .woken: "the question was withdrawn"
        }
    }
}
