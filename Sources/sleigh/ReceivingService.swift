import Client
import FileTransfer
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
        case notWanted
        case received
        case failed(any Error, IncomingRequest)
    }

    /// Runs until the stream to the server ends (`false`), or one file has been received and no more are wanted
    /// (`true`).
    ///
    /// - Throws: what ended the one transfer that was wanted; `CancellationError`.
    func run() async throws -> Bool {
        let inbox = IncomingRequests(service: connection.service)
        let (steps, continuation) = AsyncStream.makeStream(of: Step.self)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask { await console.display.run() }
            group.addTask {
                await inbox.run()
                continuation.finish()
            }
            group.addTask { for await request in inbox.requests { continuation.yield(.request(request)) } }
            try? await connection.client.enableCarbons()
            try await connection.client.becomeAvailable()
            announce()
            for await step in steps {
                switch step {
                case .request(let request):
                    group.addTask { continuation.yield(await handle(request)) }
                case .notWanted:
                    break
                case .received:
                    if isOnce { return true }
                case .failed(let error, let request):
                    if isOnce { throw error }
                    console.fail(ErrorReport.failure(for: error), peer: request.peer, name: request.name)
                }
            }
            try Task.checkCancellation()
            return false
        }
    }

    private func handle(_ request: IncomingRequest) async -> Step {
        do {
            guard let isWanted = try await policy.accepts(request, console: console) else {
                console.say("\(printable(request.peer.bare.description)) withdrew the offer.")
                return .notWanted
            }
            guard isWanted else {
                console.detail("Declined \(printable(request.name)) from \(printable(request.peer.description)).")
                await request.decline()
                return .notWanted
            }
            let progress = TransferProgress(
                console: console, name: request.name, byteCount: request.byteCount, direction: .in)
            let (summary, file) = try await request.accept(into: folder, existing: existing) { progress.take($0) }
            console.complete(summary, file: file)
            return .received
        } catch {
            return .failed(error, request)
        }
    }

    private func announce() {
        let address = printable(connection.client.address.description)
        console.say("Waiting as \(address). Files go into \(printable(folder.path)).")
        if console.isJSON { JSONLine.print(JSONLine.Ready(address: address)) }
    }
}
