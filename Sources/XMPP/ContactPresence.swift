// RFC 6121 § 4: presence, as an account that asks for it gets it

/// What the presence stanzas of one account tell about it.
public struct ContactPresence: Sendable, Hashable {
    /// The most devices that are kept of one account.
    public static let maximumDeviceCount = 64

    /// What keeps the account's devices from view.
    public enum Absence: Sendable, Hashable {
        /// No device is on-line (§ 4.3.2).
        case offline
        /// The account does not, or no longer, share its presence (§ 4.3.2).
        case notShared
        /// The account's server, or the way there, answered with an error.
        case refused(StanzaError)
    }

    /// The account's bare address.
    public let account: JID
    /// The devices that are on-line, by full address, with the last presence of each.
    public private(set) var devices: [JID: Presence] = [:]
    /// What was told in place of devices; `nil` when there are some, or nothing was told.
    public var absence: Absence? { devices.isEmpty ? told : nil }

    /// True as long as nothing was told.
    public var isUnknown: Bool { devices.isEmpty && told == nil }

    /// The devices, the one to prefer first: by priority (§ 4.7.2.3), then by when it told its presence.
    public var devicesByPreference: [(address: JID, priority: Int8)] {
        func rank(_ presence: Presence) -> (Int8, Int64, String) {
            // What was told while we were watching is the newest.
            (presence.priority, Delay(presence)?.stamp.unixSeconds ?? .max, presence.from?.description ?? "")
        }
        return devices.sorted { one, other in
            let (one, other) = (rank(one.value), rank(other.value))
            return (one.0, one.1) == (other.0, other.1) ? one.2 < other.2 : (one.0, one.1) > (other.0, other.1)
        }.map { ($0.key, $0.value.priority) }
    }

    private var told: Absence?

    /// Creates a view of an account of which nothing is known.
    public init(account: JID) { self.account = account.bare }

    /// Takes a presence stanza; those of other accounts count for nothing.
    public mutating func note(_ presence: Presence) {
        guard let from = presence.from, from.bare == account else { return }
        switch presence.kind {
        case .available:
            guard !from.isBare, devices[from] != nil || devices.count < Self.maximumDeviceCount else { return }
            devices[from] = presence
        case .unavailable:
            devices[from] = nil
            // One device that goes says nothing of the others.
            if from.isBare || devices.isEmpty { told = .offline }
        case .error:
            let error = presence.first("error", namespace: Namespace.client).map { StanzaError($0) }
            told = .refused(error ?? StanzaError(.undefinedCondition, kind: .cancel))
        case .unsubscribed: told = .notShared
        case .probe, .subscribe, .subscribed, .unsubscribe: return
        }
    }
}
