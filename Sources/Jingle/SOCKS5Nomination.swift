// XEP-0260 § 2.3 (connecting to candidates) and § 2.4 (completing the negotiation).

/// One side of the search for the candidate that both sides use, without connections and without a clock.
///
/// Order of use: ``add(_:)`` for the candidates of the peer, ``begin()`` when they are tried, then ``reached(cid:)`` or
/// ``missed(cid:)`` for each, and ``receive(_:)`` for what the peer tells, which may come at any time. The actions of a
/// call are done before the next call.
public struct SOCKS5Nomination: Sendable {
    /// A place where one side, or its proxy, listens.
    public typealias Candidate = SOCKS5TransportDescription.Candidate

    /// The candidate both sides agree on.
    public struct Nominee: Sendable, Hashable {
        /// The candidate.
        public let candidate: Candidate
        /// Whether we offered it, and the peer has connected to it.
        public let isOwn: Bool
    }

    /// What is to be done.
    public enum Action: Sendable, Hashable {
        /// Tell the peer.
        case send(SOCKS5TransportDescription.Info)
        /// Stop to dial these candidates of the peer's, and close what is connected to them.
        case abandon(cids: [String])
        /// Connect to this proxy of ours and have it activated (XEP-0065 § 6), then call ``proxyActivated()`` or
        /// ``proxyFailed()``.
        case activate(Candidate)
        /// Both sides agree on this candidate, and it is ready.
        case use(Nominee)
        /// There will be no bytestream, or none any more: fall back (§ 3).
        case fail(Failure)
    }

    /// Why there is no bytestream.
    public enum Failure: Sendable, Hashable {
        /// Neither side has reached a candidate.
        case nothingReached
        /// Our proxy, which was nominated, could not be used; we have told the peer, or it has told us.
        case ownProxy(Candidate)
        /// The peer's proxy, which was nominated, could not be used.
        case peerProxy(Candidate)
        /// The peer has told of a proxy that fails although none was nominated.
        case peerGaveUp
        /// The peer has not told in time what it has reached.
        case noAnswer
    }

    /// What the peer may not say.
    public enum Fault: Error, Sendable, Hashable {
        /// There is no candidate of that name.
        case unknownCandidate
        /// It has said something else before.
        case contradiction
    }

    private enum Selection: Sendable, Hashable {
        case open
        case none
        case used(Candidate)
    }

    private enum Attempt: Sendable, Hashable {
        case pending
        case reached
        case missed
    }

    private enum Phase: Sendable, Hashable {
        case selecting(heldActivation: String?)
        case activating(Candidate)
        case awaitingActivation(Candidate)
        case settled(Nominee)
        case failed
    }

    /// How many of the peer's candidates are tried.
    public static let candidateLimit = 16

    private let role: JingleRole
    private let own: [Candidate]
    private var offered: [Candidate] = []
    private var attempts: [String: Attempt] = [:]
    private var hasBegun = false
    private var waits = true
    private var ownSelection = Selection.open
    private var peerSelection = Selection.open
    private var phase = Phase.selecting(heldActivation: nil)

    /// Starts a negotiation.
    ///
    /// - Parameters:
    ///   - role: our role in the session, whoever offers this transport: it decides between equals.
    ///   - own: the candidates we offer, each with a `cid` of its own.
    public init(role: JingleRole, own: [Candidate]) {
        self.role = role
        self.own = own
    }

    // MARK: The peer's candidates

    /// Takes candidates of the peer's. A name or a place that is there already, and what is too much, is left out; so is
    /// everything once we have told what we have reached.
    ///
    /// - Returns: those that were not known.
    @discardableResult
    public mutating func add(_ candidates: [Candidate]) -> [Candidate] {
        guard case .selecting = phase, ownSelection == .open else { return [] }
        var new: [Candidate] = []
        for candidate in candidates where offered.count < Self.candidateLimit {
            let isKnown = offered.contains { known in
                known.cid == candidate.cid
                    || known.host == candidate.host && known.port == candidate.port && known.kind == candidate.kind
            }
            guard !isKnown, isWorthTrying(candidate) else { continue }
            // Before the first that is tried later; equals keep their order.
            offered.insert(
                candidate, at: offered.firstIndex { $0.priority < candidate.priority } ?? offered.endIndex)
            attempts[candidate.cid] = .pending
            new.append(candidate)
        }
        return new
    }

    /// The peer's candidates that are neither reached nor missed, in the order in which they are tried.
    public var pending: [Candidate] { offered.filter { attempts[$0.cid] == .pending } }

    /// Whether one of the peer's candidates is reached.
    public var hasReached: Bool { attempts.values.contains(.reached) }

    /// Whether the peer has told what it has reached.
    public var hasHeardSelection: Bool { peerSelection != .open }

    /// Begins to try the candidates.
    public mutating func begin() -> [Action] {
        hasBegun = true
        return select()
    }

    /// A candidate of the peer's is connected: SOCKS5 has said so.
    public mutating func reached(cid: String) -> [Action] {
        guard attempts[cid] == .pending else { return [] }
        attempts[cid] = .reached
        return select()
    }

    /// A candidate of the peer's cannot be reached, or is not to be.
    public mutating func missed(cid: String) -> [Action] {
        guard attempts[cid] == .pending else { return [] }
        attempts[cid] = .missed
        return select()
    }

    /// From now on does not wait for better candidates than what either side has reached.
    public mutating func stopWaiting() -> [Action] {
        waits = false
        return select()
    }

    // MARK: What the peer tells

    /// Takes what the peer tells in a transport-info.
    ///
    /// - Throws: `Fault`; nothing has changed then.
    public mutating func receive(_ info: SOCKS5TransportDescription.Info) throws(Fault) -> [Action] {
        switch info {
        case .candidateUsed(let cid):
            guard let candidate = own.first(where: { $0.cid == cid }) else { throw .unknownCandidate }
            return try receive(selection: .used(candidate))
        case .candidateError: return try receive(selection: .none)
        case .activated(let cid): return try receiveActivation(cid: cid)
        case .proxyError: return receiveProxyError()
        }
    }

    private mutating func receive(selection: Selection) throws(Fault) -> [Action] {
        guard peerSelection == .open else {
            guard peerSelection == selection else { throw .contradiction }
            return []
        }
        guard case .selecting = phase else { return [] }
        peerSelection = selection
        guard ownSelection == .open else { return nominate() }
        // What cannot win any more need not be tried (§ 2.3).
        return abandon(pending.filter { !isWorthTrying($0) }) + select()
    }

    private mutating func receiveActivation(cid: String) throws(Fault) -> [Action] {
        switch phase {
        case .selecting(let held):
            // Too early to say what it means.
            guard held == nil || held == cid else { throw .contradiction }
            phase = .selecting(heldActivation: cid)
            return []
        case .awaitingActivation(let candidate):
            guard candidate.cid == cid else { throw .unknownCandidate }
            return settle(Nominee(candidate: candidate, isOwn: false))
        case .activating, .settled, .failed: return []
        }
    }

    private mutating func receiveProxyError() -> [Action] {
        switch phase {
        case .selecting: return fail(.peerGaveUp)
        case .activating(let candidate): return fail(.ownProxy(candidate))
        case .awaitingActivation(let candidate): return fail(.peerProxy(candidate))
        case .settled(let nominee) where nominee.candidate.kind == .proxy:
            // The peer stopped to wait just before it learned of the activation.
            return fail(nominee.isOwn ? .ownProxy(nominee.candidate) : .peerProxy(nominee.candidate))
        case .settled, .failed: return []
        }
    }

    // MARK: Proxies and limits

    /// Our proxy carries bytes from now on.
    public mutating func proxyActivated() -> [Action] {
        guard case .activating(let candidate) = phase else { return [] }
        return [.send(.activated(cid: candidate.cid))] + settle(Nominee(candidate: candidate, isOwn: true))
    }

    /// Our proxy cannot be reached, or does not want to carry bytes.
    public mutating func proxyFailed() -> [Action] {
        guard case .activating(let candidate) = phase else { return [] }
        return [.send(.proxyError)] + fail(.ownProxy(candidate))
    }

    /// The peer has had time enough: what it has not told will not come.
    public mutating func giveUp() -> [Action] {
        switch phase {
        case .selecting: return fail(.noAnswer)
        case .activating: return proxyFailed()
        case .awaitingActivation(let candidate): return [.send(.proxyError)] + fail(.peerProxy(candidate))
        case .settled, .failed: return []
        }
    }

    // MARK: Selection and nomination

    private func isWorthTrying(_ candidate: Candidate) -> Bool {
        if case .used(let chosen) = peerSelection { return candidate.priority > chosen.priority }
        return true
    }

    /// Tells the peer the best candidate that is reached, once no better one may follow.
    private mutating func select() -> [Action] {
        guard case .selecting = phase, hasBegun, ownSelection == .open else { return [] }
        let isPeerDone = if case .used = peerSelection { true } else { false }
        let isFinal = !waits && (hasReached || isPeerDone)
        let candidate = offered.first { candidate in
            attempts[candidate.cid] == .reached || !isFinal && attempts[candidate.cid] == .pending
        }
        guard let candidate else {
            ownSelection = .none
            return abandon(pending) + [.send(.candidateError)] + nominate()
        }
        guard attempts[candidate.cid] == .reached else { return [] }
        ownSelection = .used(candidate)
        return abandon(offered.filter { $0.cid != candidate.cid && attempts[$0.cid] != .missed })
            + [.send(.candidateUsed(cid: candidate.cid))] + nominate()
    }

    private mutating func abandon(_ candidates: [Candidate]) -> [Action] {
        for candidate in candidates { attempts[candidate.cid] = .missed }
        return candidates.isEmpty ? [] : [.abandon(cids: candidates.map(\.cid))]
    }

    /// Decides once both sides have told what they have reached.
    private mutating func nominate() -> [Action] {
        let nominee: Nominee
        switch (ownSelection, peerSelection) {
        case (.open, _), (_, .open): return []
        case (.none, .none): return fail(.nothingReached)
        case (.used(let theirs), .none): nominee = Nominee(candidate: theirs, isOwn: false)
        case (.none, .used(let ours)): nominee = Nominee(candidate: ours, isOwn: true)
        case (.used(let theirs), .used(let ours)):
            // Between equals the initiator's choice counts: the candidate it has connected to.
            let takesTheirs = theirs.priority == ours.priority ? role == .initiator : theirs.priority > ours.priority
            nominee = Nominee(candidate: takesTheirs ? theirs : ours, isOwn: !takesTheirs)
        }
        guard nominee.candidate.kind == .proxy else { return settle(nominee) }
        if nominee.isOwn {
            phase = .activating(nominee.candidate)
            return [.activate(nominee.candidate)]
        }
        if case .selecting(let held) = phase, held == nominee.candidate.cid { return settle(nominee) }
        phase = .awaitingActivation(nominee.candidate)
        return []
    }

    private mutating func settle(_ nominee: Nominee) -> [Action] {
        phase = .settled(nominee)
        return [.use(nominee)]
    }

    private mutating func fail(_ failure: Failure) -> [Action] {
        phase = .failed
        return [.fail(failure)]
    }
}
