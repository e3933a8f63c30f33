import ArgumentParser
import FileTransfer
import TerminalUI

/// The options that say what a peer may reach through this device.
struct ForwardRuleOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            With --listen: let peers connect to this HOST:PORT, HOST:* or unix:PATH. Can be repeated. Nothing else is \
            allowed, and names are compared as they are written.
            """, valueName: "target"))
    var allow: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            With --listen: let peers listen at this [BIND:]PORT or unix:PATH of this host; without BIND at its loopback \
            addresses only. Can be repeated.
            """, valueName: "address"))
    var allowListen: [String] = []

    /// Whether any was given.
    var isUsed: Bool { !allow.isEmpty || !allowListen.isEmpty }

    func validate() throws {
        for text in allow where ForwardRules.Pattern(connecting: text) == nil {
            throw ValidationError("'\(printable(text))' is none of HOST:PORT, HOST:* and unix:PATH.")
        }
        for text in allowListen where ForwardRules.Pattern(listening: text) == nil {
            throw ValidationError("'\(printable(text))' is neither [BIND:]PORT nor unix:PATH.")
        }
    }

    /// The same for the session.
    var rules: ForwardRules {
        ForwardRules(
            connecting: allow.compactMap { ForwardRules.Pattern(connecting: $0) },
            listening: allowListen.compactMap { ForwardRules.Pattern(listening: $0) })
    }
}
