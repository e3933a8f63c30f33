import Client
import FileTransfer
import Synchronization
import TerminalUI
import Transports
import XMPP

/// Receives files over one log-in.
struct ReceivingService {
    let connection: Connection
    let folder: DestinationFolder
    let existing: ExistingFile
    let policy: Acceptance
    let isOnce: Bool
    let console: Console

    private enum Step: Sendable {
        case request(IncomingRequest)
        case disconnected
        case notWanted
        case received
        case failed(any Error, IncomingRequest)
    }

    /// With `isOnce`, whether the one file has been accepted.
    private let claim = Claim()

    init(
        connection: Connection, folder: DestinationFolder, existing: ExistingFile, policy: Acceptance, isOnce: Bool,
        console: Console
    ) {
        self.connection = connection
        self.folder = folder
        self.existing = existing
        self.policy = policy
        self.isOnce = isOnce
        self.console = console
    }

    /// Whether the one file that is wanted has been accepted.
    var hasStarted: Bool { claim.isTaken }

    /// Runs until the stream to the server has ended and so have the transfers that need it no longer (`false`), or one
    /// file has been received and no more are wanted (`true`).
    ///
    /// - Throws: what ended the one transfer that was wanted; `StanzaChannelError` when the stream ends at once;
    ///   `CancellationError`.
    func run() async throws -> Bool {
        let inbox = IncomingRequests(service: connection.service)
        let (steps, continuation) = AsyncStream.makeStream(of: Step.self)
        return try await withThrowingDiscardingTaskGroup { group in
            defer { group.cancelAll() }
            group.addTask { await console.display.run() }
            group.addTask { await inbox.run() }
            group.addTask {
                for await request in inbox.requests { continuation.yield(.request(request)) }
                continuation.yield(.disconnected)
            }
            group.addTask { try? await connection.client.enableCarbons() }
            try await connection.client.becomeAvailable()
            announce()
            var runningCount = 0
            var isConnected = true
            for await step in steps {
                switch step {
                case .request(let request):
                    runningCount += 1
                    group.addTask { continuation.yield(await handle(request)) }
                    continue
                case .disconnected:
                    isConnected = false
                    if runningCount > 0 {
                        console.detail("The connection to the server is lost; the transfer goes on.")
                    }
                case .notWanted:
                    runningCount -= 1
                case .received:
                    runningCount -= 1
                    if isOnce { return true }
                case .failed(let error, let request):
                    runningCount -= 1
                    try Task.checkCancellation()
                    if isOnce { throw error }
                    console.fail(
                        ErrorReport.failure(for: error, direction: .in), peer: request.peer, name: request.name)
                }
                if !isConnected, runningCount == 0 { break }
            }
            try Task.checkCancellation()
            return false
        }
    }

    private func handle(_ request: IncomingRequest) async -> Step {
        do {
            if isOnce, claim.isTaken { return await decline(request) }
            var decision: Acceptance.Decision
            do {
                decision = try await policy.decision(on: request, console: console)
            } catch let error as PromptError {
                console.say("\(ErrorReport.sentence(error.description)) The file is declined.")
                decision = .decline
            }
            if case .accept = decision, isOnce, !claim.take() { decision = .decline }
            switch decision {
            case .accept: break
            case .decline: return await decline(request)
            case .withdrawn(let cause):
                say(cause, request.peer)
                return .notWanted
            }
            let progress = TransferProgress(
                console: console, name: request.name.isEmpty ? "file" : request.name, byteCount: request.byteCount,
                direction: .in)
            let (summary, file) = try await request.accept(into: folder, existing: existing) { progress.take($0) }
            console.complete(summary, file: file)
            return .received
        } catch TransferError.withdrawn(let peer) where !Task.isCancelled {
            say(.byPeer, peer)
            claim.release()
            return .notWanted
        } catch {
            return .failed(error, request)
        }
    }

    private func say(_ cause: IncomingRequest.Withdrawal, _ peer: JID) {
        switch cause {
        case .byPeer: console.say("\(printable(peer.bare.description)) withdrew the offer.")
        case .takenElsewhere: console.say("Another device accepted it.")
        case .declinedElsewhere: console.say("Another device declined it.")
        }
    }

    private func decline(_ request: IncomingRequest) async -> Step {
        console.detail("Declined \(printable(request.name)) from \(printable(request.peer.description)).")
        await request.decline()
        return .notWanted
    }

    private func announce() {
        let address = printable(connection.client.address.description)
        console.say("Waiting as \(address). Files go into \(printable(Folders.absolute(folder.path))).")
        if console.isJSON { JSONLine.print(JSONLine.Ready(address: address)) }
    }
}

/// Makes sure that of several files only one is taken.
private final class Claim: Sendable {
    private let state = Mutex(false)

    var isTaken: Bool { state.withLock { $0 } }

    /// Takes it; `false` when somebody else has.
    func take() -> Bool {
        state.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
    }

    func release() { state.withLock { $0 = false } }
}
