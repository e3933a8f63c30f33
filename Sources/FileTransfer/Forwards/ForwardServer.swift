// Wire/Forward.md: the side that connects, and listens, for its peer.
import Jingle
import Synchronization
import Transports
import XMPP

/// Serves the streams that a peer opens, as far as the rules permit.
final class ForwardServer: Sendable {
    /// How many addresses a peer may have listened at.
    private static let listenerLimit = 64
    /// Of how many addresses the user is told that a peer was refused them.
    private static let toldLimit = 256

    private let link: ForwardLink
    private let rules: ForwardRules
    private let report: @Sendable (ForwardEvent) -> Void
    private let budget = BlockBudget()
    private let streams = CountLimit(ForwardLink.streamLimit)
    private let arrivals = CountLimit(ForwardLink.streamLimit)
    private let listeners = CountLimit(listenerLimit)
    /// What the user was told of this peer's requests.
    private let told = Mutex<Set<String>>([])

    init(link: ForwardLink, rules: ForwardRules, report: @escaping @Sendable (ForwardEvent) -> Void) {
        self.link = link
        self.rules = rules
        self.report = report
    }

    /// Runs until the connection is over and what has come is written.
    ///
    /// - Throws: `ByteStreamError`, `CancellationError`.
    func run() async throws {
        try await link.serveStreams { await self.serve($0) }
    }

    private func serve(_ stream: any ByteStream) async {
        do {
            guard streams.take() else {
                return stream.reset(code: ForwardLink.brokenCode)
            }
            defer { streams.giveBack() }
            switch try await link.receiveRequest(on: stream) {
            case .connect(let address)?: try await connect(to: address, stream)
            case .listen(let address, let number)?: try await listen(at: address, number, stream)
            case .arrival?, nil: try await link.refuse(.notUnderstood, stream)
            }
        } catch {
            // The stream is over, and everything that hangs on it; what matters of that has been reported.
            stream.reset(code: ForwardLink.brokenCode)
        }
    }

    /// Reports what a peer can make happen as often as it likes: once for each address, and of so many addresses at most.
    private func tell(_ event: ForwardEvent, of address: ForwardAddress) {
        let isNew = told.withLock { told in
            told.count < Self.toldLimit && told.insert(address.description).inserted
        }
        if isNew { report(event) }
    }

    private func connect(to address: ForwardAddress, _ stream: any ByteStream) async throws {
        guard rules.connecting.contains(where: { $0.covers(address) }) else {
            tell(.denied(link.peer, .connect(address)), of: address)
            return try await link.refuse(.notAllowed, stream)
        }
        let local: SocketStream
        do {
            local = try await SocketStream.connect(to: address, budget: budget)
        } catch {
            tell(.unreachable(address, error.description), of: address)
            return try await link.refuse(.unreachable, stream)
        }
        try await link.reply(.accepted(port: 0), on: stream)
        await ForwardedConnection(address: address, origin: link.peer.description, report: report)
            .run(stream, first: nil, target: local)
    }

    // MARK: Listening

    private func listen(at address: ForwardAddress, _ number: UInt16, _ stream: any ByteStream) async throws {
        guard rules.listening.contains(where: { $0.covers(address) }) else {
            tell(.denied(link.peer, .listen(address, number: number)), of: address)
            return try await link.refuse(.notAllowed, stream)
        }
        guard listeners.take() else { return try await link.refuse(.tooMany, stream) }
        defer { listeners.giveBack() }
        let listener: SocketListener
        do {
            listener = try await SocketListener.listen(at: address, budget: budget)
        } catch {
            tell(.unreachable(address, error.description), of: address)
            return try await link.refuse(.unreachable, stream)
        }
        defer { listener.close() }
        var port: UInt16 = 0
        if case .tcp(_, let chosen) = listener.address { port = chosen }
        try await link.reply(.accepted(port: port), on: stream)
        report(.listeningFor(link.peer, at: listener.address))
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                // Whatever comes on it, it is open until it ends.
                while try await stream.read() != nil {}
            }
            group.addTask {
                try await listener.serve(within: self.arrivals) {
                    await self.hand(over: $0, number, listener.address)
                }
            }
            try await group.next()
        }
        try await stream.finish()
    }

    private func hand(over arrival: SocketListener.Arrival, _ number: UInt16, _ address: ForwardAddress) async {
        let connection = ForwardedConnection(address: address, origin: arrival.origin, report: report)
        await connection.open(over: link, .arrival(number: number), from: arrival.stream)
    }
}
