import Client
import FileTransfer
import ICE
import TerminalUI
import Transports
import XMPP

/// Waits for what peers offer, and logs in again when the stream to the server is over and could not be resumed.
struct Listening: Sendable {
    var account: AccountOptions.Resolved
    var device: Device
    /// The name of this device; `nil` for its own.
    var resource: String?
    var applications: Set<TransferApplication>
    var paths: TransferPolicy
    var acceptance: Acceptance
    /// Whether to end after one.
    var isOnce: Bool
    /// What becomes of what comes, as a sentence.
    var announcement: String
    var console: Console

    /// How long a connection has to hold before the next attempt comes as soon as the first.
    private static let lastingConnection = Duration.seconds(60)

    /// Takes offers until one has been taken, if only one is wanted, or for ever.
    ///
    /// - Throws: what ended the one that was wanted, `ClientError`, `CancellationError`.
    func run(_ take: @escaping OfferListener.Taking) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            try await run(take, &group)
        }
    }

    /// - Parameter group: where transfers go on whose log-in is over.
    private func run(
        _ take: @escaping OfferListener.Taking, _ group: inout ThrowingTaskGroup<Void, any Error>
    ) async throws {
        let loop = try ICELoop()
        var backoff = Backoff()
        var hasConnected = false
        while true {
            do {
                let connection = try await Connection.open(
                    account, device: device, resource: resource ?? device.name, loop: loop, policy: paths,
                    applications: applications, takesOffers: true, console: console)
                hasConnected = true
                let connected = ContinuousClock.now
                let listener = OfferListener(
                    connection: connection, applications: applications, policy: acceptance, isOnce: isOnce,
                    console: console, take: take)
                let (ends, end) = AsyncStream.makeStream(of: Result<Bool, any Error>.self)
                group.addTask {
                    do {
                        let isDone = try await listener.run {
                            announce(connection.client.address)
                        } onDisconnect: {
                            end.yield(.success(false))
                        }
                        await connection.close()
                        end.yield(.success(isDone))
                    } catch {
                        await connection.close()
                        end.yield(.failure(error))
                    }
                }
                switch await ends.first(where: { _ in true }) {
                case .success(true)?: return
                case .success(false)?: break
                case .failure(let error)?:
                    // Of a stream that ended before we were on-line the client knows more.
                    guard error is StanzaChannelError, !listener.hasStarted else { throw error }
                case nil: throw CancellationError()
                }
                // A server that lets us in and throws us out again must not be asked at once for ever.
                if .now - connected > Self.lastingConnection { backoff.reset() }
                throw try await connection.client.closed
            } catch let error as ClientError where hasConnected && error.isTransient {
                var random = SystemRandomNumberGenerator()
                let pause = backoff.next(using: &random)
                console.say("\(ErrorReport.sentence(error.description)) Trying again in \(Format.countdown(pause)).")
                try await Task.sleep(for: pause)
            }
        }
    }

    private func announce(_ own: JID) {
        let address = printable(own.description)
        console.say("Waiting as \(address). \(announcement)")
        if console.isJSON { JSONLine.print(JSONLine.Ready(address: address)) }
    }
}
