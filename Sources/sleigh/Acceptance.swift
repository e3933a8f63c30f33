import FileTransfer
import Synchronization
import TerminalUI
import XMPP

/// Decides what is accepted: by address, or by asking.
struct Acceptance: Sendable {
    private let everybody: Bool
    private let senders: Set<JID>
    private let question: @Sendable (IncomingRequest) -> String
    private let questions = Turns()
    /// The devices that were accepted, if that holds for their next offers too.
    private var accepted: Remembered?

    /// - Parameter question: what somebody is asked, as a sentence without "Accept?".
    /// - Throws: `Failure` when somebody would have to be asked and there is no terminal to ask on.
    init(
        everybody: Bool, senders: Set<JID>, question: @escaping @Sendable (IncomingRequest) -> String
    ) throws(Failure) {
        self.question = question
        self.everybody = everybody
        self.senders = senders
        if asks && !Prompt.isPossible {
            throw Failure(
                "there is no terminal to ask on before accepting anything",
                hint: "Say whom to accept from: --from ADDRESS, or --yes for everybody.", code: .usage)
        }
    }

    /// The same, but whoever was asked about a device once is not asked again while the program runs.
    func remembering() -> Acceptance {
        var acceptance = self
        acceptance.accepted = Remembered()
        return acceptance
    }

    private var asks: Bool { !everybody && senders.isEmpty }

    /// What is to become of an offer.
    enum Decision: Sendable {
        case accept, decline
        case withdrawn(IncomingRequest.Withdrawal)
    }

    /// Decides, after asking if need be.
    func decision(on request: IncomingRequest, console: Console) async throws -> Decision {
        if everybody || senders.contains(request.peer.bare) { return .accept }
        guard asks else { return .decline }
        if accepted?.contains(request.peer) == true { return .accept }
        await request.ring()
        let warning = request.isEndToEndEncrypted == false ? " Not end-to-end encrypted." : ""
        let question = "\(question(request))\(warning) Accept?"
        return try await withThrowingTaskGroup(of: Decision.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                .withdrawn(await request.waitUntilWithdrawn())
            }
            group.addTask {
                try await questions.inTurn {
                    try await console.display.paused {
                        try await Prompt().confirm(question, default: false) ? .accept : .decline
                    }
                }
            }
            let decision = try await group.next() ?? .decline
            // A cancelled wait looks like a withdrawn offer.
            try Task.checkCancellation()
            if case .accept = decision { accepted?.insert(request.peer) }
            return decision
        }
    }
}

/// The devices that were accepted.
private final class Remembered: Sendable {
    private let devices = Mutex<Set<JID>>([])

    func contains(_ device: JID) -> Bool { devices.withLock { $0.contains(device) } }
    func insert(_ device: JID) { devices.withLock { _ = $0.insert(device) } }
}

/// Lets one task at a time through, in the order they came.
private actor Turns {
    private var last: Task<Void, Never>?

    func inTurn<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let (done, continuation) = AsyncStream.makeStream(of: Void.self)
        let before = last
        last = Task { for await _ in done {} }
        defer { continuation.finish() }
        await before?.value
        try Task.checkCancellation()
        return try await body()
    }
}
