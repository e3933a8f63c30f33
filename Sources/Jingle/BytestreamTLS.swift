// urn:sleigh:jingle:bytestream-tls:0, as Wire/Bytestream-TLS.md describes it.

/// TLS 1.3 inside a SOCKS5 or in-band bytestream, between devices that verify each other's fingerprint.
public enum BytestreamTLS {
    /// The disco feature of those who can do it. They put a `<fingerprint/>` (XEP-0320) into the transports they offer
    /// each other; a transport with one on both sides carries TLS.
    public static let namespace = "urn:sleigh:jingle:bytestream-tls:0"
}
