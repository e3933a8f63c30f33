import FileTransfer
import Jingle
import TerminalUI
import XMPP

extension Console {
    /// Accepts a session, and does for the peer what the rules permit, until it ends.
    func forward(_ request: IncomingRequest, _ rules: ForwardRules) async throws {
        let peer = request.peer
        try await request.accept(forwarding: rules) { self.take($0, for: peer) }
        detail("\(printable(peer.description)) has ended its forwards.")
    }

    /// Says what happens to the forwards of a peer.
    func take(_ event: ForwardEvent, for peer: JID) {
        let name = printable(peer.bare.description)
        func text(_ address: ForwardAddress) -> String { printable(address.description) }
        switch event {
        case .session(let event): take(event)
        case .listening(let source, let target):
            say("Listening at \(text(source)) for \(text(target)) at \(name).")
            tell(JSONLine.Forwarding(side: "local", address: text(source), target: text(target)))
        case .peerListening(let source, let target):
            say("\(name) listens at \(text(source)) for \(text(target)) here.")
            tell(JSONLine.Forwarding(side: "remote", address: text(source), target: text(target)))
        case .listeningFor(let peer, let address):
            detail("Listening at \(text(address)) for \(printable(peer.description)).")
        case .opened(let address, let origin): detail("Joined \(printable(origin)) to \(text(address)).")
        case .ended(let address, let sent, let received):
            detail("Done with \(text(address)): \(Format.bytes(sent)) sent, \(Format.bytes(received)) received.")
        case .broken(let address, let why): detail("A connection to \(text(address)) broke off: \(printable(why)).")
        case .refused(let address, let reason):
            say("\(name) refused a connection to \(text(address)): \(reason.words).")
        case .denied(let peer, let request):
            switch request {
            case .listen(let address, _):
                say("Refused: \(printable(peer.description)) may not listen at \(text(address)).")
            case .connect(let address):
                say("Refused: \(printable(peer.description)) may not connect to \(text(address)).")
            case .arrival: break
            }
        case .unreachable(let address, let why):
            say("\(text(address)) cannot be used for \(name): \(printable(why)).")
        case .noSession(let address):
            say("Closed a connection to \(text(address)): there is no session with \(name).")
        }
    }

    private func tell(_ line: some Encodable) { if isJSON { JSONLine.print(line) } }
}

extension ForwardRefusal {
    /// The reason as the end of a sentence.
    var words: String {
        switch self {
        case .notAllowed: "it is not allowed there"
        case .unreachable: "it cannot be reached there"
        case .tooMany: "there are too many"
        case .notUnderstood, .unknown: "the request was not understood"
        }
    }
}
