/// What a TLS client wants of the server it connects to.
public struct TLSConfiguration: Sendable, Hashable {
    /// The name the server's certificate must be valid for: a DNS name, or an IP address as text.
    ///
    /// For XMPP this is the domain of the account, whatever host the connection goes to (RFC 6120 § 13.7.2.1).
    public var serverName: String
    /// The protocols to offer, most wanted first (ALPN, RFC 7301); none means that ALPN is not used.
    public var applicationProtocols: [String]
    /// A file with certificate authorities in PEM form, trusted besides those of the system.
    public var authorityFile: String?

    /// Creates a configuration.
    public init(serverName: String, applicationProtocols: [String] = [], authorityFile: String? = nil) {
        self.serverName = serverName
        self.applicationProtocols = applicationProtocols
        self.authorityFile = authorityFile
    }
}
