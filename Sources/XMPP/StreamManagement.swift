// XEP-0198: Stream Management
public import XML

/// The stanzas of a stream: those that are to be sent, in order and until the server has acknowledged them, and the
/// count of those that came. It outlives the connections over which the stream is resumed.
///
/// The caller puts stanzas in with `enqueue(_:)`, writes what `nextOutput(at:)` returns to the connection, and reports
/// what comes: each stanza with `stanzaReceived()`, each element of `namespace` with `received(_:)`. When the
/// connection is lost it says so with `connectionLost()`, and after `resumed(handledCount:)` the next output begins
/// with what the server has not received.
///
/// With a server that does not offer it, or refuses it, this is a queue of stanzas, each of which is gone once it is
/// written.
public struct StreamManagement: Sendable {
    /// The namespace.
    public static let namespace = "urn:xmpp:sm:3"
    /// The most stanzas that wait for being written and acknowledged. `enqueue(_:)` takes no more.
    public static let stanzaLimit = 1024
    /// How many bytes they may have together; a single one may have more.
    public static let byteLimit = 4 << 20
    /// For how many seconds the server is asked to keep the stream: as long as it is tried to resume it.
    public static let resumptionSeconds = 120
    /// After how many stanzas an acknowledgement is asked for without being told to, or when so many bytes wait for one.
    private static let askingCount = 16
    private static let askingByteCount = 256 << 10
    /// How much goes out at once, unless a single stanza is longer.
    private static let outputByteCount = 64 << 10

    /// True when the server offers it among the features of a stream that is logged in (§ 2).
    public static func isOffered(in features: XMLElement) -> Bool {
        features.first("sm", namespace: namespace) != nil
    }

    private enum State: Sendable {
        /// The server does not count.
        case off
        /// `<enable/>` is the next thing to send.
        case enabling
        /// `<enable/>` is sent, and everything after it counts.
        case requested
        /// Both sides count; the stream can be resumed if there is a session.
        case on(StreamResumption.Session?)
    }

    private var state: State
    /// From the first stanza that is not acknowledged on, with those that are still to be written at the end.
    private var stanzas: [String] = []
    private var byteCount = 0
    /// How many of these were written to the connection.
    private var writtenCount = 0
    /// How many stanzas the server has acknowledged, modulo 2^32.
    var acknowledgedCount: UInt32 = 0
    /// How many stanzas came, modulo 2^32.
    var handledCount: UInt32 = 0
    private var owesAcknowledgement = false
    private var owesRequest = false
    /// Up to which stanza there has been a request for an acknowledgement.
    private var askedCount: UInt32 = 0
    private var closing = Closing.not

    private enum Closing: Sendable {
        case not, owed, sent
    }

    /// Since when the server owes an acknowledgement, or the answer to `<enable/>`, on this connection; `nil` when it owes
    /// neither.
    public private(set) var askedAt: ContinuousClock.Instant?

    /// Creates the state of a stream that was just bound.
    ///
    /// - Parameter isOffered: whether the server offers stream management: then the first output asks for it.
    public init(isOffered: Bool) { state = isOffered ? .enabling : .off }

    /// Whether the server acknowledges what it receives.
    public var isOn: Bool { if case .on = state { true } else { false } }
    /// The session with which the stream can be resumed; `nil` when it cannot.
    public var session: StreamResumption.Session? { if case .on(let session) = state { session } else { nil } }
    /// How many stanzas are kept: not written yet, or not acknowledged.
    public var keptCount: Int { stanzas.count }
    /// Whether a stanza was written after the last request for an acknowledgement.
    public var hasUnasked: Bool { isOn && unaskedCount > 0 && closing != .sent }
    private var unaskedCount: Int { min(Int(acknowledgedCount &+ UInt32(writtenCount) &- askedCount), writtenCount) }
    /// Whether there is no room for one more stanza of any length.
    public var isFull: Bool { stanzas.count >= Self.stanzaLimit || byteCount >= Self.byteLimit }

    // MARK: Sending

    /// Takes a stanza to send. `false` when there is no room for it before others have been acknowledged or, where the
    /// server does not count, written; or when the stream is being closed.
    public mutating func enqueue(_ stanza: String) -> Bool {
        let count = stanza.utf8.count
        guard closing == .not, stanzas.count < Self.stanzaLimit, stanzas.isEmpty || byteCount + count <= Self.byteLimit
        else { return false }
        stanzas.append(stanza)
        byteCount += count
        return true
    }

    /// Has the server asked for an acknowledgement, even if there is nothing to acknowledge, unless one is owed
    /// already.
    public mutating func ask(at now: ContinuousClock.Instant) {
        guard isOn, askedAt == nil, closing != .sent else { return }
        askedAt = now
        askedCount = acknowledgedCount &+ UInt32(writtenCount)
        owesRequest = true
    }

    /// Has the stream closed once everything that was put in is written (§ 5); nothing more is taken.
    public mutating func close() { if closing == .not { closing = .owed } }

    /// What to write to the connection next; `nil` when there is nothing to write.
    ///
    /// One request for an acknowledgement at a time is under way, each for many stanzas; whoever wants to know of fewer calls
    /// `ask(at:)` when `hasUnasked` is true.
    public mutating func nextOutput(at now: ContinuousClock.Instant) -> String? {
        var output = ""
        if case .enabling = state {
            output += XMLElement(
                "enable", namespace: Self.namespace, attributes: ["max": "\(Self.resumptionSeconds)", "resume": "true"]
            ).serialized()
            state = .requested
            askedAt = now
        }
        while writtenCount < stanzas.count, output.utf8.count < Self.outputByteCount {
            output += stanzas[writtenCount]
            writtenCount += 1
        }
        switch state {
        case .off: dropFirst(writtenCount)
        case .on where unaskedCount >= Self.askingCount || unaskedCount > 0 && byteCount >= Self.askingByteCount:
            ask(at: now)
        case .on, .enabling, .requested: break
        }
        if owesRequest { output += XMLElement("r", namespace: Self.namespace).serialized() }
        let isLast = closing == .owed && writtenCount == stanzas.count
        if owesAcknowledgement || (isLast && isOn) {
            output +=
                XMLElement("a", namespace: Self.namespace, attributes: ["h": "\(handledCount)"]).serialized()
        }
        if isLast {
            output += "</stream:stream>"
            closing = .sent
        }
        (owesRequest, owesAcknowledgement) = (false, false)
        return output.isEmpty ? nil : output
    }

    private mutating func dropFirst(_ count: Int) {
        for stanza in stanzas.prefix(count) { byteCount -= stanza.utf8.count }
        stanzas.removeFirst(count)
        writtenCount -= count
    }

    // MARK: Receiving

    /// A stanza came, which is dealt with from now on, whatever becomes of the connection.
    public mutating func stanzaReceived() { if isOn { handledCount &+= 1 } }

    /// An element of the namespace came. Of the others that the namespace may have one day nothing follows.
    ///
    /// - Throws: `StreamManagementViolation`, after which the stream is of no use.
    public mutating func received(_ element: XMLElement) throws(StreamManagementViolation) {
        switch (element.name, state) {
        case ("enabled", .requested):
            state = .on(StreamResumption.Session(element))
            askedAt = nil
        case ("failed", .requested):
            state = .off
            askedAt = nil
            dropFirst(writtenCount)
        case ("r", .on): owesAcknowledgement = true
        case ("a", .on):
            try acknowledge(StreamResumption.handledCount(in: element))
            askedAt = nil
            owesRequest = false
        case ("enabled", _), ("failed", _), ("r", _), ("a", _), ("resumed", _): throw .unexpected(element.name)
        default: break
        }
    }

    /// The server has received so many stanzas in all.
    private mutating func acknowledge(_ handledCount: UInt32) throws(StreamManagementViolation) {
        let newCount = handledCount &- acknowledgedCount
        guard newCount <= writtenCount else {
            throw .handledCountTooHigh(handledCount, sent: acknowledgedCount &+ UInt32(writtenCount))
        }
        acknowledgedCount = handledCount
        dropFirst(Int(newCount))
    }

    // MARK: Resuming

    /// The connection is gone. What the server has not acknowledged is kept.
    public mutating func connectionLost() {
        askedAt = nil
        (owesRequest, owesAcknowledgement) = (false, false)
    }

    /// What to ask the server for over another connection; `nil` when the stream cannot be resumed.
    public var resumption: StreamResumption? {
        session.map { StreamResumption(id: $0.id, handledCount: handledCount) }
    }

    /// The stream goes on over another connection: the next output begins with what the server has not received.
    ///
    /// - Parameter handledCount: how many stanzas the server says it has received in all.
    /// - Throws: `StreamManagementViolation`, after which the stream is of no use.
    public mutating func resumed(handledCount: UInt32) throws(StreamManagementViolation) {
        try acknowledge(handledCount)
        writtenCount = 0
        askedCount = acknowledgedCount
    }
}
