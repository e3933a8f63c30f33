/// The namespaces of the core protocol (RFC 6120, RFC 6121). Those of a XEP are declared in its own file.
public enum Namespace {
    /// The stanzas of a client's stream (RFC 6120 § 4.8.2).
    public static let client = "jabber:client"
    /// The stream itself (RFC 6120 § 4.8.1).
    public static let streams = "http://etherx.jabber.org/streams"
    /// Stream error conditions (RFC 6120 § 4.9).
    static let streamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
    /// Stanza error conditions (RFC 6120 § 8.3).
    static let stanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"
    /// STARTTLS (RFC 6120 § 5).
    static let tls = "urn:ietf:params:xml:ns:xmpp-tls"
    /// SASL (RFC 6120 § 6).
    static let sasl = "urn:ietf:params:xml:ns:xmpp-sasl"
    /// Resource binding (RFC 6120 § 7).
    static let bind = "urn:ietf:params:xml:ns:xmpp-bind"
    /// Session establishment (RFC 3921 § 3), which RFC 6121 dropped.
    static let session = "urn:ietf:params:xml:ns:xmpp-session"
}
