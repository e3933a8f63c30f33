// XEP-0166 § 11, XEP-0234 § 10: what a device has to advertise to receive a file.
import Jingle
public import XMPP

/// What a device says it can do, seen by one that wants to send it a file.
public struct DeviceAbilities: Sendable, Hashable {
    /// Whether it negotiates sessions (XEP-0166).
    public var hasJingle: Bool
    /// Whether it receives files that way (XEP-0234).
    public var hasFileTransfer: Bool
    /// Whether it takes streams in both directions.
    public var hasStreams: Bool
    /// Whether it forwards connections.
    public var hasForwards: Bool
    /// Whether it says that it is Libervia, which takes streams in one direction and does not say so.
    public var isLibervia: Bool
    /// What is known of clients of its name, and may keep a file from arriving though it says that it receives files.
    public var caveat: String?
    /// Whether it takes part in measurements of the path.
    public var hasBench: Bool
    /// Whether it can be asked for a file together with the account's other devices (XEP-0353).
    public var takesProposals: Bool
    /// The transports it has, by their short names such as `ice-quic`; those not known here are left out.
    public var transports: [String]
    /// Those of them that this program has too.
    public var sharedTransports: [String]

    private static let callsNamespace = "urn:xmpp:jingle:apps:rtp:1"
    private static let transportNames = [
        (ICEQUICTransportDescription.namespace, "ice-quic"),
        ("urn:xmpp:jingle:transports:webrtc-datachannel:1", "webrtc-datachannel"),
        ("urn:xmpp:jingle:transports:s5b:1", "socks5"),
        ("urn:xmpp:jingle:transports:ibb:1", "in-band"),
        ("urn:xmpp:jingle:transports:ice-udp:1", "ice-udp"),
        ("urn:xmpp:jingle:transports:ice:0", "ice"),
        ("urn:xmpp:jingle:transports:raw-udp:1", "raw-udp"),
    ]

    /// As seen with Dino 0.4.2, Gajim 1.7.3 and Libervia 0.9, and what to do about it.
    private static let caveats = [
        (
            client: "Dino",
            text:
                "Dino drops offers of those with whom it has no chat, and from 5 MB on waits to be told to take the"
                + " file: write to them first"
        ),
        (
            client: "Gajim",
            text: "Gajim 1.7 fails on every offer, without a word: another client is needed there"
        ),
        (
            client: "Libervia",
            text: "Libervia first asks there whether it may ask a web site for its address: see that somebody answers"
        ),
    ]

    /// Reads what a device said about itself.
    public init(_ info: ServiceDiscoveryInfo) {
        hasJingle = info.has(Jingle.namespace)
        hasFileTransfer = info.has(FileDescription.namespace)
        hasStreams = info.has(ByteStreamDescription.namespace)
        hasForwards = info.has(ForwardDescription.namespace)
        let names = Set(info.identities.filter { $0.category == "client" }.compactMap(\.name))
        isLibervia = names.contains("Libervia")
        caveat = Self.caveats.first { names.contains($0.client) }?.text
        hasBench = info.has(BenchDescription.namespace)
        let known = Self.transportNames.filter { info.has($0.0) }
        transports = known.map(\.1)
        sharedTransports = known.filter { TransferService.features.contains($0.0) }.map(\.1)
        // Dino and Conversations take proposals of calls, and never answer one of a file.
        takesProposals =
            info.has(JingleMessage.namespace)
            && (info.has(ICEQUICTransportDescription.namespace) || !info.has(Self.callsNamespace))
    }

    /// Why it cannot take what this program offers, as part of a sentence; `nil` when it can.
    ///
    /// - Parameter permitsOneWayStreams: whether a stream may go to another client.
    public func obstacle(to application: TransferApplication, permitsOneWayStreams: Bool = false) -> String? {
        if !hasJingle { return "it does not negotiate transfers (Jingle)" }
        switch application {
        case .file: if !hasFileTransfer { return "it does not receive files by Jingle" }
        case .forward: if !hasForwards { return "no sleigh forward --listen is running there" }
        case .stream where hasStreams: break
        case .stream:
            guard isLibervia else { return "no sleigh pipe --listen is running there" }
            guard permitsOneWayStreams else {
                return "it is Libervia, which takes streams in one direction and not end-to-end encrypted:"
                    + " only with --allow-unencrypted"
            }
        case .bench: if !hasBench { return "no sleigh bench --listen is running there" }
        }
        if sharedTransports.isEmpty {
            return transports.isEmpty
                ? "it has no transport known here"
                : "it has no transport in common with this sleigh, only \(transports.joined(separator: ", "))"
        }
        return nil
    }
}
