public import XMPP

/// Who logs in, and where.
public struct ClientConfiguration: Sendable {
    /// The account's address; a resource in it is ignored.
    public var account: JID
    /// The account's password.
    public var password: Password
    /// The resource to ask for; the server chooses when it is `nil`.
    public var resource: String?
    /// The server to connect to in place of what the DNS says. Its certificate must still be valid for the
    /// account's domain.
    public var server: ServerEndpoint?
    /// A file with certificate authorities in PEM form, trusted besides those of the system.
    public var authorityFile: String?
    /// The features to advertise besides those of the core: those of the transports and applications in use.
    public var features: [String]
    /// What the client says it is called.
    public var clientName: String

    /// Creates a configuration.
    public init(
        account: JID, password: Password, resource: String? = nil, server: ServerEndpoint? = nil,
        authorityFile: String? = nil, features: [String] = [], clientName: String = ServiceDiscoveryRegistry.clientName
    ) {
        self.account = account
        self.password = password
        self.resource = resource
        self.server = server
        self.authorityFile = authorityFile
        self.features = features
        self.clientName = clientName
    }
}
