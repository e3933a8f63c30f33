import Foundation
import Testing

@testable import TerminalUI

/// In order, as only one password at a time is asked for in a process.
@Suite(.serialized) struct PromptTests {
    private let pseudo: PseudoTerminal
    private let prompt: Prompt

    init() throws {
        pseudo = try PseudoTerminal()
        prompt = Prompt(path: pseudo.path)
    }

    /// Waits, off the threads of the tasks, until the question is on the terminal.
    private func shown(_ end: String) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { [pseudo] in
                continuation.resume(with: Result { try pseudo.output(until: end) })
            }
        }
    }

    @Test func passwordIsReadWithoutEcho() async throws {
        async let answer = prompt.password("Password: ")
        _ = try await shown("Password: ")
        #expect(!pseudo.hasEcho)
        pseudo.type("s3cret pässword\n")
        #expect(try await answer == "s3cret pässword")
        #expect(pseudo.hasEcho)
        #expect(try await shown("\n") == "\r\n")
    }

    @Test func cancellingGivesTheEchoBack() async throws {
        let question = Task { try await prompt.password("Password: ") }
        _ = try await shown("Password: ")
        #expect(!pseudo.hasEcho)
        question.cancel()
        await #expect(throws: CancellationError.self) { try await question.value }
        #expect(pseudo.hasEcho)
    }

    @Test func endOfInputIsNoPassword() async throws {
        let answer = Task { try await prompt.password("Password: ") }
        _ = try await shown("Password: ")
        pseudo.type("\u{4}")
        await #expect(throws: PromptError.ended) { try await answer.value }
        #expect(pseudo.hasEcho)
    }

    @Test func oneQuestionAtATime() async throws {
        let other = try PseudoTerminal()
        async let answer = prompt.password("Password: ")
        _ = try await shown("Password: ")
        await #expect(throws: PromptError.busy) { try await Prompt(path: other.path).password("Password: ") }
        pseudo.type("x\n")
        #expect(try await answer == "x")
        #expect(other.hasEcho)
    }

    @Test(
        arguments: [
            ("y", nil, true), ("Yes", nil, true), ("n", true, false), (" NO ", true, false), ("", true, true),
            ("", false, false),
        ] as [(String, Bool?, Bool)])
    func yesAndNo(typed: String, standard: Bool?, answer: Bool) async throws {
        async let result = prompt.confirm("Accept?", default: standard)
        let choice = standard.map { $0 ? "[Y/n]" : "[y/N]" } ?? "[y/n]"
        _ = try await shown("Accept? \(choice) ")
        pseudo.type(typed + "\n")
        #expect(try await result == answer)
    }

    @Test func nonsenseIsAskedAgainThreeTimes() async throws {
        let result = Task { try await prompt.confirm("Accept?") }
        for _ in 0..<3 {
            _ = try await shown("Accept? [y/n] ")
            pseudo.type("perhaps\n")
        }
        await #expect(throws: PromptError.noAnswer) { try await result.value }
    }

    @Test(arguments: ["/dev/null", "/nonexistent"])
    func withoutATerminalThereIsNoQuestion(path: String) async {
        await #expect(throws: PromptError.noTerminal) { try await Prompt(path: path).confirm("Accept?") }
        await #expect(throws: PromptError.noTerminal) { try await Prompt(path: path).password("Password: ") }
    }
}
