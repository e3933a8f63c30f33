// XEP-0030 and RFC 6121 § 4: which devices of a person are on-line, and what each can do.
public import Client
public import XMPP

/// What the devices of a person say they can do; nothing rings by asking them.
public struct DeviceSurvey: Sendable {
    /// A device that is on-line.
    public struct Device: Sendable {
        /// Its full address.
        public let address: JID
        /// The priority of its presence: below 0 it gets nothing that is sent to the bare address.
        public let priority: Int8
        /// What it says about itself, or why that is not known: a `StanzaError`, a `StanzaParseError`, or
        /// `StanzaChannelError.timedOut`.
        public let answer: Result<ServiceDiscoveryInfo, any Error>

        /// What it can do; `nil` when that is not known.
        public var abilities: DeviceAbilities? { (try? answer.get()).map { DeviceAbilities($0) } }

        package init(address: JID, priority: Int8, answer: Result<ServiceDiscoveryInfo, any Error>) {
            self.address = address
            self.priority = priority
            self.answer = answer
        }
    }

    /// How what is offered gets to the person.
    public enum Way: Sendable, Hashable {
        /// By a proposal to all devices (XEP-0353): one of them takes it, or may.
        case proposal
        /// By a session offered to this device, since none takes proposals.
        case session(JID)
        /// Not at all; why, as part of a sentence.
        case none(String)
    }

    /// How long a device may take to say what it can do.
    public static let patience = Duration.seconds(6)
    /// The most devices that are asked.
    private static let deviceCount = 16

    /// The devices, the one to prefer first: by the priority of its presence, then the one that told it last.
    public let devices: [Device]

    private let application: TransferApplication
    private let permitsOneWayStreams: Bool

    package init(
        devices: [Device], for application: TransferApplication = .file, permitsOneWayStreams: Bool = false
    ) {
        self.devices = devices
        self.application = application
        self.permitsOneWayStreams = permitsOneWayStreams
    }

    /// Asks all devices at once.
    ///
    /// - Parameters:
    ///   - application: what they are to take.
    ///   - permitsOneWayStreams: whether a stream may go to another client.
    ///   - isFresh: whether to ask again what is known from capabilities, which shows that a device is there.
    /// - Throws: `StanzaChannelError.closed`, `CancellationError`.
    public init(
        of presence: ContactPresence, for application: TransferApplication = .file, permitsOneWayStreams: Bool = false,
        client: XMPPClient, isFresh: Bool
    ) async throws {
        self.application = application
        self.permitsOneWayStreams = permitsOneWayStreams
        let devices = presence.devicesByPreference.prefix(Self.deviceCount)
        self.devices = try await withThrowingTaskGroup(of: (Int, Device).self) { group in
            for (index, (address, priority)) in devices.enumerated() {
                group.addTask {
                    let answer = try await Self.ask(address, client: client, isFresh: isFresh)
                    return (index, Device(address: address, priority: priority, answer: answer))
                }
            }
            var found: [(Int, Device)] = []
            for try await device in group { found.append(device) }
            return found.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// What a device says about itself, or why that is not known.
    ///
    /// - Throws: `StanzaChannelError.closed`, `CancellationError`.
    public static func ask(
        _ device: JID, client: XMPPClient, isFresh: Bool
    ) async throws -> Result<ServiceDiscoveryInfo, any Error> {
        do {
            return .success(try await client.discover(device, timeout: patience, isFresh: isFresh))
        } catch let error where error is StanzaError || error is StanzaParseError {
            return .failure(error)
        } catch StanzaChannelError.timedOut {
            return .failure(StanzaChannelError.timedOut)
        }
    }

    private func canTake(_ device: Device) -> Bool {
        device.abilities.map { obstacle($0) == nil } ?? false
    }

    private func obstacle(_ abilities: DeviceAbilities) -> String? {
        abilities.obstacle(to: application, permitsOneWayStreams: permitsOneWayStreams)
    }

    /// The device to prefer of those that can take what this program offers.
    public var bestDevice: JID? {
        devices.first { canTake($0) }?.address
    }

    /// How it gets to the person; as long as a device may be there that is not known, by a proposal.
    public var way: Way {
        let takers = devices.filter { device in
            device.priority >= 0 && device.abilities?.takesProposals == true && canTake(device)
        }
        if !takers.isEmpty || devices.isEmpty { return .proposal }
        if let bestDevice { return .session(bestDevice) }
        let obstacles = devices.compactMap { device in
            device.abilities.flatMap(obstacle).map { (device.address, $0) }
        }
        guard obstacles.count == devices.count else { return .proposal }
        if obstacles.count == 1 { return .none(obstacles[0].1) }
        return .none(obstacles.map { "\($0.0.resource ?? ""): \($0.1)" }.joined(separator: "; "))
    }
}
