public import XML
internal import XMPP

/// How the stream to the account's server came about.
public struct StreamDescription: Sendable, Hashable {
    /// The host and port it was opened to.
    public var endpoint: ServerEndpoint
    /// The server's IP address; `nil` when the system does not tell.
    public var ipAddress: String?
    /// The version of TLS, such as `TLSv1.3`.
    public var tlsVersion: String
    /// The SASL mechanism of the log-in, such as `SCRAM-SHA-256-PLUS`.
    public var mechanism: String
    /// The features that the server offered once the log-in was done (RFC 6120 § 4.3.2).
    public var features: XMLElement
}
