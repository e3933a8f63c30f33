// XEP-0166 § 7.2 and § 7.3: what each content of a session has come to.

/// The contents of one session in the order they came.
struct ContentTable: Sendable {
    /// How a content was offered.
    enum Offer: Sendable, Hashable { case withSession, later }

    /// Whether a content is agreed on. It is always its creator who offered it.
    enum Status: Sendable, Hashable {
        case offered(Offer)
        case accepted
    }

    /// A transport-replace without its transport-accept or -reject.
    enum Replacement: Sendable, Hashable {
        case none
        case proposed(ContentTransport, by: JingleRole)
    }

    struct Entry: Sendable, Hashable {
        var content: Content
        var status: Status
        var replacement = Replacement.none

        /// True when a transport of that namespace is in use, or proposed.
        func isNegotiating(_ transport: ContentTransport) -> Bool {
            if content.transport?.namespace == transport.namespace { return true }
            if case .proposed(let proposed, _) = replacement { return proposed.namespace == transport.namespace }
            return false
        }

        func transportProposed(by role: JingleRole) -> ContentTransport? {
            if case .proposed(let transport, role) = replacement { transport } else { nil }
        }
    }

    private var entries: [Entry] = []

    var contents: [Content] { entries.map(\.content) }
    var isEmpty: Bool { entries.isEmpty }

    subscript(id: ContentID) -> Entry? {
        get { entries.first { $0.content.id == id } }
        set {
            if let index = entries.firstIndex(where: { $0.content.id == id }) {
                if let newValue { entries[index] = newValue } else { entries.remove(at: index) }
            } else if let newValue {
                entries.append(newValue)
            }
        }
    }

    /// Adds offered contents.
    mutating func offer(_ contents: [Content], by role: JingleRole, _ offer: Offer) throws(JingleCommandError) {
        guard !contents.isEmpty else { throw .noContents }
        guard entries.count + contents.count <= JingleLimit.contentCount else { throw .limitReached }
        for content in contents {
            guard content.id.creator == role, content.description != nil, content.transport != nil,
                self[content.id] == nil
            else { throw .invalidContent(content.id) }
            self[content.id] = Entry(content: content, status: .offered(offer))
        }
    }

    /// The contents that party offered with the session and that nobody has accepted.
    func waitingForSession() -> [ContentID] {
        entries.filter { $0.status == .offered(.withSession) && $0.content.disposition == "session" }.map(\.content.id)
    }
}
