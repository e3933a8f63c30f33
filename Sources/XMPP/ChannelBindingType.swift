// XEP-0440: SASL Channel-Binding Type Capability
internal import XML

/// A way to bind a log-in to the TLS channel it happens in (RFC 5056), by its registered name.
public enum ChannelBindingType: String, Sendable, Hashable, CaseIterable {
    /// Keying material of the connection (RFC 9266); used with TLS 1.3 only.
    case tlsExporter = "tls-exporter"
    /// The first Finished message of the connection (RFC 5929 § 3); undefined for TLS 1.3.
    case tlsUnique = "tls-unique"
    /// The hash of the server's certificate (RFC 5929 § 4).
    case tlsServerEndPoint = "tls-server-end-point"

    static let namespace = "urn:xmpp:sasl-cb:0"

    /// The names that the server's stream features list; `nil` when there is no list (XEP-0440 § 2).
    static func advertised(in features: XMLElement) -> [String]? {
        features.first("sasl-channel-binding", namespace: namespace)?.all("channel-binding").compactMap { $0["type"] }
    }
}

/// What the TLS connection offers to a log-in.
public struct TLSParameters: Sendable, Hashable {
    /// The versions of TLS that may carry a stream.
    public enum Version: Sendable, Hashable {
        case tls12, tls13
    }

    /// The negotiated version.
    public var version: Version
    /// The channel-binding data of those types that could be had.
    public var channelBindings: [ChannelBindingType: [UInt8]]

    /// Creates the parameters.
    public init(version: Version, channelBindings: [ChannelBindingType: [UInt8]] = [:]) {
        self.version = version
        self.channelBindings = channelBindings
    }

    /// The types that may be used with this version, the strongest first.
    var usableTypes: [ChannelBindingType] {
        let candidates: [ChannelBindingType] =
            switch version {
            case .tls12: [.tlsUnique, .tlsServerEndPoint]
            case .tls13: [.tlsExporter, .tlsServerEndPoint]
            }
        return candidates.filter { channelBindings[$0] != nil }
    }
}
