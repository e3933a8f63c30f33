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

    /// Who is accepted.
    ///
    /// - Parameter question: what somebody is asked, as a sentence without "Accept?".
    func acceptance(question: @escaping @Sendable (IncomingRequest) -> String) throws(Failure) -> Acceptance {
        let senders = try from.map { address throws(Failure) in try AccountOptions.address(address).bare }
        return try Acceptance(everybody: yes, senders: Set(senders), question: question)
    }
}
