// XEP-0440: SASL Channel-Binding Type Capability
internal import XML

/// A way to bind a log-in to the TLS channel it happens in (RFC 5056), by its registered name.
public enum ChannelBindingType: String, Sendable, Hashable {
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
