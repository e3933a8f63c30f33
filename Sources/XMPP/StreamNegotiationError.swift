public import XML

/// Why no usable stream came about.
public enum StreamNegotiationError: Error, Sendable, Hashable {
    /// The server's XML cannot be read.
    case unreadable(XMLStreamError)
    /// The server sent a stream error.
    case streamError(StreamError)
    /// The server closed the stream.
    case streamEnded
    /// The server sent something that does not belong there; the name of the element.
    case unexpectedElement(String)
    /// The server does not speak XMPP 1.0.
    case unsupportedVersion
    /// The server offers no STARTTLS. Sleigh never logs in without TLS.
    case tlsNotOffered
    /// The server offered STARTTLS, and then refused it.
    case tlsRefused
    /// The server offers no log-in this client knows; the names, as the server wrote them: not safe to print.
    case noMechanism(offered: [String])
    /// Somebody changed the list of channel-binding types on the way (XEP-0440 § 3).
    case channelBindingTampered
    /// User name or password hold characters that SASL forbids (RFC 4013 § 2.3).
    case unusableCredentials
    /// The server refused the log-in; `.notAuthorized` means a wrong name or password.
    case refused(SASLFailure)
    /// The server's part of the log-in is not acceptable.
    case serverNotAuthentic(SASLProtocolError)
    /// The server offers no resource binding.
    case bindingNotOffered
    /// The server refused to bind a resource, or to establish a session.
    case bindingRefused(StanzaError)
    /// The server does not go on with the stream that lost its connection.
    case resumptionRefused(StanzaError)
}
