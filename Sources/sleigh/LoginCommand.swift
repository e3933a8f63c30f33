import ArgumentParser
import Client
import TerminalUI
import XMPP

/// `sleigh login`: checks an account's password with its server and keeps it.
struct LoginCommand: SleighCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Check an account's password with its server, and keep it.",
        usage: "sleigh login [OPTIONS] ADDRESS",
        discussion: "The password is asked on the terminal, or read from --password-file. It is never an argument.")

    @Argument(help: "The account, such as me@example.org.")
    var address: String

    @OptionGroup var options: LoginOptions
    @OptionGroup var output: OutputOptions

    func run(_ console: Console, started: ContinuousClock.Instant) async throws {
        let address = try AccountOptions.address(address).bare
        let password: String
        if let given = try options.givenPassword() {
            password = given
        } else {
            do {
                password = try await Prompt().password("Password for \(printable(address.description)): ")
            } catch PromptError.noTerminal {
                throw Failure(
                    "there is no terminal to ask for the password on", hint: "Name a file with --password-file.",
                    code: .usage)
            } catch PromptError.ended {
                password = ""
            }
        }
        guard !password.isEmpty else { throw Failure("no password was given", code: .usage) }
        let caFile = options.givenCAFile.map(Folders.absolute)
        let account = AccountOptions.Resolved(
            address: address, password: password, server: options.givenServer, caFile: caFile)
        let client = try await XMPPClient.connect(
            try account.clientConfiguration(resource: nil, features: []), log: console.log)
        await client.close()
        let store = try AccountStore()
        try store.keep(
            AccountStore.Account(password: password, server: account.server, caFile: caFile), for: address)
        if console.isJSON { JSONLine.print(JSONLine.LoggedIn(address: address.description)) }
        console.say("Logged in as \(address). The password is kept in \(store.path), which only you can read.")
    }
}
