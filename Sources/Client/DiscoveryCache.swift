internal import SecureChannels
internal import XMPP

/// What is known of the features of others: who announced which capabilities (XEP-0115), and what those stand for.
struct DiscoveryCache {
    /// How many entries each table may have.
    static let maximumCount = 1024

    private var announced: [JID: EntityCapabilities] = [:]
    private var known: [String: ServiceDiscoveryInfo] = [:]

    /// Notes what a presence stanza says.
    mutating func note(_ presence: Presence) {
        guard let from = presence.from, !from.isBare else { return }
        switch presence.kind {
        case .available:
            guard announced[from] != nil || announced.count < Self.maximumCount else { return }
            announced[from] = EntityCapabilities(presence)
        case .unavailable, .error: announced[from] = nil
        case .probe, .subscribe, .subscribed, .unsubscribe, .unsubscribed: break
        }
    }

    /// The capabilities that an address announced, if it did.
    func capabilities(of address: JID) -> EntityCapabilities? { announced[address] }

    /// What the capabilities stand for, if that was verified before.
    func info(for capabilities: EntityCapabilities) -> ServiceDiscoveryInfo? {
        // The node is not part of it: the hash alone says what the features are (XEP-0115 § 5).
        capabilities.hash == "sha-1" ? known[capabilities.ver] : nil
    }

    /// Keeps what the capabilities stand for, if their hash proves it; whoever wants to deceive others about the
    /// features of a third party must not get in here (XEP-0115 § 9.2).
    mutating func keep(_ info: ServiceDiscoveryInfo, for capabilities: EntityCapabilities) {
        guard capabilities.verify(info, sha1: { DigestAlgorithm.sha1.hash($0) }) else { return }
        if known.count >= Self.maximumCount { known = [:] }
        known[capabilities.ver] = info
    }
}
