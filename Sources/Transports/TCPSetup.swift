package import SecureChannels

/// What a ``TCPConnection`` needs to begin.
package struct TCPSetup: Sendable {
    /// How the bytes are protected on their way.
    package enum Protection: Sendable {
        /// TLS 1.3 between devices that know each other's fingerprint. What opens the stream is our stream header.
        case tls(role: TLSPeerEngine.Role, certificate: DeviceCertificate, peerFingerprint: Fingerprint)
        /// None: the bytes as they are, ended by FIN. Both sides know which content the stream belongs to.
        case none(contentName: String)
    }

    /// How the bytes are protected.
    package var protection: Protection
    /// What the connection is called in its ``PathReport``.
    package var kind: PathReport.Kind
    /// Whether a proxy carries streams that end with `close_notify`: one that ends both directions with the first FIN, and
    /// holds the last bytes back until more come. Prosody's is such a proxy.
    var isProxied: Bool {
        guard case .tls = protection, case .socks5(isProxied: true) = kind else { return false }
        return true
    }
    /// Where the blocks of received bytes come from.
    package var pool: BlockPool
    /// How long the TLS handshake may take.
    package var handshakeLimit: Duration
    /// After how much silence of the peer's TCP the path is dead; in whole seconds.
    package var silenceLimit: Duration

    /// Creates a set-up.
    package init(
        protection: Protection, kind: PathReport.Kind, pool: BlockPool, handshakeLimit: Duration = .seconds(5),
        silenceLimit: Duration = .seconds(20)
    ) {
        self.protection = protection
        self.kind = kind
        self.pool = pool
        self.handshakeLimit = handshakeLimit
        self.silenceLimit = silenceLimit
    }
}
