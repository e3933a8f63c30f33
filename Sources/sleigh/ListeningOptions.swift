import ArgumentParser
import FileTransfer
import TerminalUI
import XMPP

/// The options that say whom to accept from, and by which name peers can address this device.
struct ListeningOptions: ParsableArguments {
    @Flag(help: "Accept everything from everybody without asking.")
    var yes = false

    @Option(
        help: ArgumentHelp(
            "Accept from this address without asking, and decline all others. Can be repeated.",
            valueName: "address"))
    var from: [String] = []

    @Option(help: ArgumentHelp("The name of this device, by which peers can address it.", valueName: "name"))
    var resource: String?

    /// Whether any was given.
    var isUsed: Bool { yes || !from.isEmpty || resource != nil }

    func validate() throws {
        if yes, !from.isEmpty {
            throw ValidationError("--yes accepts from everybody: leave out --yes or --from.")
        }
        if let resource, JID(local: nil, domain: "localhost", resource: resource) == nil {
            throw ValidationError("'\(printable(resource))' cannot be the name of a device.")
        }
    }

    /// Checks that a command has either an address or `--listen`, and what belongs to `--listen` only with it.
    ///
    /// - Parameters:
    ///   - purpose: what the address is for, such as "connect to".
    ///   - others: the command's own options that belong to `--listen`, and whether any of them was given.
    func check(
        listens: Bool, address: String?, purpose: String, others: (names: [String], areUsed: Bool)
    ) throws {
        guard listens == (address == nil) else {
            throw ValidationError("Name an address to \(purpose), or wait with --listen: one of the two.")
        }
        guard listens || !(isUsed || others.areUsed) else {
            let names = (others.names + ["--from", "--yes"]).joined(separator: ", ")
            throw ValidationError("\(names) and --resource belong to --listen.")
        }
    }

    /// Who is accepted.
    ///
    /// - Parameter question: what somebody is asked, as a sentence without "Accept?".
    func acceptance(question: @escaping @Sendable (IncomingRequest) -> String) throws(Failure) -> Acceptance {
        let senders = try from.map { address throws(Failure) in try AccountOptions.address(address).bare }
        return try Acceptance(everybody: yes, senders: Set(senders), question: question)
    }
}
