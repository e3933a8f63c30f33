// Which path carries a content, as Wire/ICE-QUIC.md describes it.
internal import ICE
internal import Jingle
internal import SecureChannels
internal import Synchronization

extension ICEQUICTransport {
    /// How long the peer may take to open its stream.
    private static let openingTimeout = Duration.seconds(30)
    /// How long a TCP connection may take to be ready here after the peer has given UDP up for it.
    private static let replacementPatience = Duration.seconds(1)

    /// What happens while a path is being chosen.
    private enum Arrival: Sendable {
        case udp(Result<QUICOverICE, any Error>)
        case tcp(TCPConnection)
        case timer
    }

    /// What happens while a stream is being waited for.
    private enum Opening: Sendable {
        case connected(Result<any PeerConnection, any Error>)
        case stream(AcceptedStream)
        case ended(any Error)
        case tooLate
        case timer
    }

    /// The connections that may open a stream, and why there may be none.
    private struct Openings {
        let mayHaveTCP: Bool
        let start = ContinuousClock.now
        var liveCount = 0
        var hadAny = false
        var last: (error: any Error, at: ContinuousClock.Instant)?

        init(mayHaveTCP: Bool) { self.mayHaveTCP = mayHaveTCP }

        /// Counts a connection; says whether it is the first.
        mutating func addConnection() -> Bool {
            liveCount += 1
            defer { hadAny = true }
            return !hadAny
        }

        mutating func endConnection(_ error: any Error) {
            liveCount -= 1
            note(error)
        }

        mutating func note(_ error: any Error) { last = (error, .now) }

        /// Why no stream will come, and from when on that is certain: the peer may just have given a path up for a TCP
        /// connection that is about to be ready here.
        var failure: (error: any Error, end: ContinuousClock.Instant)? {
            guard liveCount == 0, let last else { return nil }
            return (
                last.error,
                mayHaveTCP ? max(start + PathChoice.dialPatience, last.at + replacementPatience) : last.at
            )
        }
    }

    /// What else there was when a stream was opened on one path.
    private struct Rivals {
        var udp: Result<QUICOverICE, any Error>?
        var tcp: TCPConnection?

        mutating func note(_ connection: any PeerConnection) {
            switch connection {
            case let connection as QUICOverICE: udp = .success(connection)
            case let connection as TCPConnection: tcp = connection
            default: break
            }
        }
    }

    /// Connects over every path there is, and returns the one to open a stream on. For the side that opens it; the others
    /// are closed.
    ///
    /// - Throws: `TransportFailure`, `CancellationError`.
    public func connect() async throws -> any PeerConnection {
        let agreement = try startDirect()
        return try await withThrowingTaskGroup(of: Arrival.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do {
                    return .udp(.success(try await self.connectOverICE(agreement)))
                } catch {
                    return .udp(.failure(error))
                }
            }
            if let direct {
                group.addTask {
                    // The first is as good as any: they differ in the address family, or in who dialled.
                    for await connection in direct.connections { return .tcp(connection) }
                    return .timer
                }
            }
            var choice = PathChoice(mayHaveTCP: mayHaveTCP, start: .now)
            var udp: Result<QUICOverICE, any Error>?
            var tcp: TCPConnection?
            while true {
                switch choice.verdict(at: .now) {
                case .takeTCP:
                    guard let tcp else { throw CancellationError() }
                    return take(tcp, inPlaceOf: udp)
                case .takeUDP:
                    guard var connection = try udp?.get() else { throw CancellationError() }
                    connection.reasons = reasonsAgainst(tcp)
                    direct?.close()
                    return connection
                case .giveUp: throw failure(of: udp)
                case .wait(let end):
                    if let end {
                        group.addTask {
                            try? await Task.sleep(until: end)
                            return .timer
                        }
                    }
                }
                switch try await group.next() {
                case .udp(let result):
                    udp = result
                    choice.udp = try Self.udp(result)
                case .tcp(let connection):
                    tcp = connection
                    choice.tcp = PathChoice.TCP(roundTripTime: connection.minimumRoundTripTime, since: .now)
                case .timer: break
                case nil: throw CancellationError()
                }
                try Task.checkCancellation()
            }
        }
    }

    /// Connects over every path there is, and waits for the peer to open a stream on one of them; the others are closed.
    /// The name comes from the peer.
    ///
    /// - Throws: `TransportFailure`, `ByteStreamError`, `CancellationError`.
    public func acceptStream() async throws -> AcceptedStream {
        let agreement = try startDirect()
        let accepted = try await withThrowingTaskGroup(of: Opening.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do {
                    return .connected(.success(try await self.connectOverICE(agreement)))
                } catch {
                    return .connected(.failure(error))
                }
            }
            group.addTask { await self.nextDirectConnection() }
            var openings = Openings(mayHaveTCP: mayHaveTCP)
            var rivals = Rivals()
            while let opening = try await group.next() {
                try Task.checkCancellation()
                switch opening {
                case .stream(var accepted):
                    accepted.connection = explained(accepted.connection, rivals)
                    return accepted
                case .connected(.success(let connection)):
                    rivals.note(connection)
                    if connection is TCPConnection { group.addTask { await self.nextDirectConnection() } }
                    group.addTask { await Self.stream(of: connection) }
                    if openings.addConnection() {
                        group.addTask { await Self.wait(until: .now + Self.openingTimeout, then: .tooLate) }
                    }
                case .connected(.failure(let error)):
                    if case TransportFailure.peerNotAuthenticated = error { throw error }
                    openings.note(error)
                    rivals.udp = .failure(error)
                case .ended(let error): openings.endConnection(error)
                case .tooLate: throw TransportFailure.noStream
                case .timer: break
                }
                if let (error, end) = openings.failure {
                    guard ContinuousClock.now < end else { throw error }
                    group.addTask { await Self.wait(until: end, then: .timer) }
                }
            }
            throw CancellationError()
        }
        if let connection = accepted.connection as? TCPConnection {
            direct?.close(except: connection)
            agent.close()
        } else {
            direct?.close()
        }
        return accepted
    }

    /// Whether TCP is tried from here; a peer that names no address does not dial either.
    private var mayHaveTCP: Bool { direct != nil && state.withLock { $0.remoteDirect } != nil }

    private func nextDirectConnection() async -> Opening {
        guard let direct else { return .timer }
        for await connection in direct.connections { return .connected(.success(connection)) }
        return .timer
    }

    private static func stream(of connection: any PeerConnection) async -> Opening {
        do {
            let (name, stream) = try await connection.acceptStream()
            return .stream((connection, name, stream))
        } catch {
            return .ended(error)
        }
    }

    private static func wait(until end: ContinuousClock.Instant, then opening: Opening) async -> Opening {
        try? await Task.sleep(until: end)
        return opening
    }

    /// The parameters of every path; begins to look for TCP connections.
    private func startDirect() throws(TransportFailure) -> HandshakeRoles.Agreement {
        let (agreement, remote) = state.withLock { ($0.handshake.agreement, $0.remoteDirect) }
        guard let agreement else { throw .noFingerprint }
        direct?.start(role: agreement.tlsRole, peerFingerprint: agreement.peerFingerprint, remote: remote)
        return agreement
    }

    private func take(
        _ connection: TCPConnection, inPlaceOf udp: Result<QUICOverICE, any Error>?
    ) -> any PeerConnection {
        direct?.close(except: connection)
        agent.close()
        explain(connection, inPlaceOf: udp)
        return connection
    }

    private func explain(_ connection: TCPConnection, inPlaceOf udp: Result<QUICOverICE, any Error>?) {
        guard connection.minimumRoundTripTime > PathChoice.shortRoundTrip else { return }
        switch udp {
        case .success(let relayed): connection.explain(relayed.path.reasons)
        case .failure(let error): connection.explain(Self.reasons(of: error))
        case nil: connection.explain(["no UDP path was found in time"])
        }
    }

    /// The connection the peer has chosen, with our reasons against the better ones.
    private func explained(_ connection: any PeerConnection, _ rivals: Rivals) -> any PeerConnection {
        switch connection {
        case var connection as QUICOverICE:
            connection.reasons = reasonsAgainst(rivals.tcp)
            return connection
        case let connection as TCPConnection: explain(connection, inPlaceOf: rivals.udp)
        default: break
        }
        return connection
    }

    func reasonsAgainst(_ tcp: TCPConnection?) -> [String] {
        guard let direct, mayHaveTCP else { return [] }
        if let tcp { return ["the round trip is too long for TCP: \(tcp.minimumRoundTripTime)"] }
        return [
            "no TCP connection: "
                + (direct.obstacles.isEmpty ? "none in time" : direct.obstacles.joined(separator: ", "))
        ]
    }

    /// Why there is no path at all.
    private func failure(of udp: Result<QUICOverICE, any Error>?) -> any Error {
        guard case .failure(let error)? = udp else { return CancellationError() }
        guard case TransportFailure.noPath(let reasons) = error else { return error }
        return TransportFailure.noPath(reasons + reasonsAgainst(nil))
    }

    private static func udp(_ result: Result<QUICOverICE, any Error>) throws -> PathChoice.UDP {
        switch result {
        case .success(let connection) where connection.isRelayed: return .relayed
        case .success(let connection):
            return .direct(roundTripTime: connection.minimumRoundTripTime, since: .now)
        // Whoever has another certificate than the one signalled is not to be met on another path either.
        case .failure(TransportFailure.peerNotAuthenticated): throw TransportFailure.peerNotAuthenticated
        case .failure: return .failed
        }
    }

    private static func reasons(of error: any Error) -> [String] {
        if case TransportFailure.noPath(let reasons) = error { return reasons }
        return ["no UDP path: \(error)"]
    }
}
