import Client
import FileTransfer
import Synchronization
import TerminalUI
import Transports
import XMPP

/// Takes the offers of some applications that come over one log-in.
struct OfferListener {
    /// Takes an offer, and returns when all is done.
    typealias Taking = @Sendable (IncomingRequest) async throws -> Void

    private let connection: Connection
    private let applications: Set<TransferApplication>
    private let policy: Acceptance
    private let isOnce: Bool
    private let console: Console
    private let take: Taking

    private enum Step: Sendable {
        case request(IncomingRequest)
        case disconnected
        case notWanted
        case taken
        case failed(any Error, IncomingRequest)
    }

    /// With `isOnce`, whether the one offer has been accepted.
    private let claim = Claim()

    init(
        connection: Connection, applications: Set<TransferApplication>, policy: Acceptance, isOnce: Bool,
        console: Console, take: @escaping Taking
    ) {
        self.connection = connection
        self.applications = applications
        self.policy = policy
        self.isOnce = isOnce
        self.console = console
        self.take = take
    }

    /// Whether the one offer that is wanted has been accepted.
    var hasStarted: Bool { claim.isTaken }

    /// Runs until the stream to the server has ended and so have the transfers that need it no longer (`false`), or one
    /// has been taken and no more are wanted (`true`).
    ///
    /// - Parameters:
    ///   - announce: is called when peers can reach this device.
    ///   - onDisconnect: is called when the stream has ended and some transfers go on that more may follow.
    /// - Throws: what ended the one transfer that was wanted; `StanzaChannelError` when the stream ends at once;
    ///   `CancellationError`.
    func run(announce: () -> Void, onDisconnect: () -> Void) async throws -> Bool {
        let inbox = IncomingRequests(service: connection.service, applications: applications)
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
                        if !isOnce { onDisconnect() }
                    }
                case .notWanted:
                    runningCount -= 1
                case .taken:
                    runningCount -= 1
                    if isOnce { return true }
                case .failed(let error, let request):
                    runningCount -= 1
                    try Task.checkCancellation()
                    if isOnce { throw error }
                    console.fail(
                        ErrorReport.failure(for: error, direction: request.application.direction),
                        peer: request.peer,
                        name: request.name.isEmpty ? nil : request.name)
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
            if request.isTooOpen {
                let hint = request.application == .stream ? " --allow-unencrypted permits one from Libervia." : ""
                console.say(
                    "Declined an offer of \(printable(request.peer.description)): it is not end-to-end encrypted.\(hint)"
                )
                return await decline(request)
            }
            var decision: Acceptance.Decision
            do {
                decision = try await policy.decision(on: request, console: console)
            } catch let error as PromptError {
                console.say("\(ErrorReport.sentence(error.description)) It is declined.")
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
            try await take(request)
            return .taken
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
        console.detail(
            "Declined \(request.name.isEmpty ? "an offer" : printable(request.name)) from \(printable(request.peer.description))."
        )
        await request.decline()
        return .notWanted
    }
}

extension TransferApplication {
    /// Which way its bytes go, seen from whoever takes the offer.
    fileprivate var direction: TransferProgress.Direction {
        switch self {
        case .file: .in
        case .stream: .both
        case .bench: .measured
        case .forward: .forwarded
        }
    }
}

/// Makes sure that of several offers only one is taken.
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
