// XEP-0260 § 2.3 to § 2.5: from candidates to a bytestream.
internal import Jingle
internal import NIOCore
internal import SecureChannels
internal import Synchronization
internal import XMPP

extension SOCKS5Transport {
    typealias Candidate = SOCKS5Nomination.Candidate

    /// The connection that carries the bytes, and where it leads.
    struct Chosen: Sendable {
        var channel: any Channel
        var nominee: SOCKS5Nomination.Nominee
    }

    /// What happens while a bytestream is being looked for.
    private enum Arrival: Sendable {
        case order(Order?)
        case dialled(cid: String, Result<any Channel, any Error>)
        case activated(Result<any Channel, any Error>)
        /// It may be time for the next dial, unless there has been another since.
        case stagger(dialCount: Int)
        case patienceOver
        case timeOver
    }

    /// What is going on.
    private struct Search {
        var dialled: Set<String> = []
        var channels: [String: any Channel] = [:]
        var proxy: (any Channel)?
    }

    /// Looks for a bytestream with the peer, for the side that opens the stream.
    ///
    /// - Throws: `TransportFailure`, `CancellationError`.
    public func connect() async throws -> any PeerConnection { try await bytestream() }

    /// Looks for a bytestream with the peer, and waits for the peer to open the stream.
    ///
    /// - Throws: `TransportFailure`, `ByteStreamError`, `CancellationError`.
    public func acceptStream() async throws -> AcceptedStream {
        let connection = try await bytestream()
        return try await withThrowingTaskGroup(of: AcceptedStream?.self) { [limits] group in
            defer { group.cancelAll() }
            group.addTask {
                let (name, stream) = try await connection.acceptStream()
                return (connection, name, stream)
            }
            group.addTask {
                try await Task.sleep(for: limits.opening)
                return nil
            }
            guard let accepted = try await group.next() ?? nil else { throw TransportFailure.noStream }
            return accepted
        }
    }

    private func bytestream() async throws -> TCPConnection {
        let isReady = state.withLock { $0.hasPeerDescription && $0.nomination != nil && !$0.isClosed }
        guard isReady else { throw TransportFailure.unavailable("SOCKS5 was closed, or has no answer") }
        let chosen: Chosen
        do {
            chosen = try await search()
        } catch {
            sockets.close()
            throw error
        }
        sockets.close(except: chosen.channel)
        return try await carry(over: chosen)
    }

    /// Makes a connection of what was chosen; TLS first, if that was agreed on.
    private func carry(over chosen: Chosen) async throws -> TCPConnection {
        let agreement = state.withLock { $0.handshake.agreement }
        var protection = TCPSetup.Protection.none(contentName: contentName)
        if let certificate, let agreement {
            protection = .tls(
                role: agreement.tlsRole, certificate: certificate, peerFingerprint: agreement.peerFingerprint)
        }
        let setup = TCPSetup(
            protection: protection, kind: .socks5(isProxied: chosen.nominee.candidate.kind == .proxy), pool: pool,
            handshakeLimit: limits.handshake)
        do {
            let connection = try await sockets.carry(setup, over: chosen.channel)
            // From host to host there is nothing better, whatever became of the other addresses.
            if chosen.nominee.candidate.kind == .proxy { connection.explain(state.withLock { $0.obstacles }) }
            return connection
        } catch {
            chosen.channel.close(promise: nil)
            try Task.checkCancellation()
            switch ByteStreamError(error) {
            case .peerNotAuthenticated: throw TransportFailure.peerNotAuthenticated
            case .closed(let why), .pathLost(let why):
                note("\(chosen.nominee.candidate.place): \(why)")
            case .reset: note("\(chosen.nominee.candidate.place): broken off")
            }
            throw TransportFailure.noPath(state.withLock { $0.obstacles })
        }
    }

    // MARK: The search

    private func search() async throws -> Chosen {
        try await withThrowingTaskGroup(of: Arrival.self) { group in
            defer { group.cancelAll() }
            var search = Search()
            group.addTask { await self.nextOrder() }
            wait(limits.total, then: .timeOver, &group)
            wait(limits.patience, then: .patienceOver, &group)
            step { $0.begin() }
            dialNext(&search, &group)
            while let arrival = try await group.next() {
                try Task.checkCancellation()
                switch arrival {
                case .order(let order):
                    guard let order else { throw TransportFailure.unavailable("SOCKS5 was closed") }
                    if let chosen = try await perform(order, &search, &group) { return chosen }
                    group.addTask { await self.nextOrder() }
                case .dialled(let cid, let result): take(result, of: cid, &search, &group)
                case .activated(.success(let channel)):
                    search.proxy = channel
                    step { $0.proxyActivated() }
                case .activated(.failure): step { $0.proxyFailed() }
                case .stagger(let dialCount): if dialCount == search.dialled.count { dialNext(&search, &group) }
                case .patienceOver: step { $0.stopWaiting() }
                case .timeOver: step { $0.giveUp() }
                }
            }
            throw CancellationError()
        }
    }

    private func nextOrder() async -> Arrival {
        for await order in orders.stream { return .order(order) }
        return .order(nil)
    }

    private func wait(
        _ duration: Duration, then arrival: Arrival, _ group: inout ThrowingTaskGroup<Arrival, any Error>
    ) {
        group.addTask {
            try await Task.sleep(for: duration)
            return arrival
        }
    }

    private func perform(
        _ order: Order, _ search: inout Search, _ group: inout ThrowingTaskGroup<Arrival, any Error>
    ) async throws -> Chosen? {
        switch order {
        case .dial: dialNext(&search, &group)
        case .abandon(let cids): for cid in cids { search.channels.removeValue(forKey: cid)?.close(promise: nil) }
        case .activate(let candidate):
            group.addTask {
                do {
                    return .activated(.success(try await self.activate(candidate)))
                } catch {
                    self.note(Self.sentence(about: candidate, error))
                    return .activated(.failure(error))
                }
            }
        case .use(let nominee): return try await choose(nominee, search)
        case .fail(let failure): throw noPath(failure)
        }
        return nil
    }

    // MARK: The peer's candidates

    /// Dials the best candidate that is not dialled yet, and the one after it a little later.
    private func dialNext(_ search: inout Search, _ group: inout ThrowingTaskGroup<Arrival, any Error>) {
        let (pending, sid, peerDestination) = state.withLock {
            ($0.nomination?.pending ?? [], $0.sid ?? "", $0.peerDestination)
        }
        guard let candidate = pending.first(where: { !search.dialled.contains($0.cid) }) else { return }
        search.dialled.insert(candidate.cid)
        let destination = peerDestination ?? destinationAddress(sid: sid, of: peer, to: own)
        group.addTask {
            do {
                let channel = try await self.sockets.dial(
                    host: candidate.host, port: candidate.port, destination: destination)
                return .dialled(cid: candidate.cid, .success(channel))
            } catch {
                if !Task.isCancelled { self.note(Self.sentence(about: candidate, error)) }
                return .dialled(cid: candidate.cid, .failure(error))
            }
        }
        wait(limits.stagger, then: .stagger(dialCount: search.dialled.count), &group)
    }

    private func take(
        _ result: Result<any Channel, any Error>, of cid: String, _ search: inout Search,
        _ group: inout ThrowingTaskGroup<Arrival, any Error>
    ) {
        guard case .success(let channel) = result else {
            step { $0.missed(cid: cid) }
            return dialNext(&search, &group)
        }
        guard let candidate = state.withLock({ $0.nomination?.pending.first { $0.cid == cid } }) else {
            return channel.close(promise: nil)
        }
        search.channels[cid] = channel
        step { $0.reached(cid: cid) }
        if candidate.kind != .proxy { step { $0.stopWaiting() } }
    }

    // MARK: What was nominated

    /// Connects to our own proxy and has it carry the bytes (XEP-0065 § 6.3.4 and § 6.3.5).
    private func activate(_ candidate: Candidate) async throws -> any Channel {
        let sid = state.withLock { $0.sid ?? "" }
        let channel = try await sockets.dial(
            host: candidate.host, port: candidate.port, destination: destinationAddress(sid: sid, of: own, to: peer),
            isTrusted: true)
        do {
            try await self.channel.request(
                .set, to: candidate.jid, payload: SOCKS5Bytestream.activation(sid: sid, target: peer),
                timeout: limits.activation)
        } catch {
            channel.close(promise: nil)
            throw error
        }
        return channel
    }

    private func choose(_ nominee: SOCKS5Nomination.Nominee, _ search: Search) async throws -> Chosen {
        let candidate = nominee.candidate
        let channel =
            switch (nominee.isOwn, candidate.kind) {
            case (true, .proxy): search.proxy
            case (true, _): await sockets.admitted(at: candidate.host)
            case (false, _): search.channels[candidate.cid]
            }
        guard let channel, channel.isActive else {
            note("\(candidate.place): the connection is gone")
            throw TransportFailure.noPath(state.withLock { $0.obstacles })
        }
        let chosen = Chosen(channel: channel, nominee: nominee)
        state.withLock { $0.chosen = chosen }
        return chosen
    }

    private func noPath(_ failure: SOCKS5Nomination.Failure) -> TransportFailure {
        switch failure {
        case .nothingReached: note("SOCKS5: neither side can reach the other's addresses or proxies")
        // What failed here has been noted.
        case .ownProxy(let candidate):
            let isNoted = state.withLock { $0.obstacles.contains { $0.hasPrefix(candidate.place) } }
            if !isNoted { note("\(candidate.place): the other side could not use it") }
        case .peerProxy(let candidate): note("\(candidate.place): the other side could not use its own proxy")
        case .peerGaveUp: note("SOCKS5: the other side gave up")
        case .noAnswer: note("SOCKS5: the other side did not tell in time what it can reach")
        }
        return .noPath(state.withLock { $0.obstacles })
    }

    private static func sentence(about candidate: Candidate, _ error: any Error) -> String {
        switch error {
        case let error as SOCKS5DialError: "\(candidate.place): \(error.text)"
        case let error as StanzaError: "\(candidate.place): does not carry our bytes: \(error.condition.rawValue)"
        case StanzaChannelError.timedOut: "\(candidate.place): no answer"
        default: "\(candidate.place): \(error)"
        }
    }
}

extension SOCKS5Nomination.Candidate {
    /// The beginning of a sentence about it. A host has no characters that are unsafe to print.
    var place: String {
        switch kind {
        case .proxy: "SOCKS5 proxy \(host)"
        case .direct, .assisted, .tunnel: "SOCKS5: \(host.contains(":") ? "[\(host)]" : host):\(port)"
        }
    }
}
