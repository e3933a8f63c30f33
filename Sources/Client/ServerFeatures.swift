public import XMPP

/// What an account's server and its components offer to those who transfer files.
public struct ServerFeatures: Sendable, Hashable {
    /// A SOCKS5 proxy (XEP-0065).
    public struct Proxy: Sendable, Hashable {
        /// The component's address.
        public var address: JID
        /// Where it listens; empty when it did not say.
        public var hosts: [ProxyDiscovery.StreamHost]
        /// Why it did not say where it listens.
        public var refusal: StanzaError?
    }

    /// A service that takes files over HTTP (XEP-0363).
    public struct Upload: Sendable, Hashable {
        /// The component's address.
        public var address: JID
        /// What it takes.
        public var service: HTTPUploadDiscovery
    }

    /// Whether the server knows STUN and TURN servers (XEP-0215).
    public var hasExternalServices: Bool
    /// Whether it sends copies of messages to the account's other clients (XEP-0280).
    public var hasCarbons: Bool
    /// Whether streams can be resumed (XEP-0198).
    public var hasStreamManagement: Bool
    /// Its SOCKS5 proxies.
    public var proxies: [Proxy] = []
    /// Its upload services.
    public var uploads: [Upload] = []
}
