/// Why the server's part of a SASL exchange is not acceptable.
public enum SASLProtocolError: Error, Sendable, Hashable {
    /// A message breaks the grammar of RFC 5802 § 7, or demands an extension.
    case malformedMessage
    /// A message came that does not belong there.
    case unexpectedMessage
    /// The server did not repeat the nonce it was sent, and add to it.
    case wrongNonce
    /// The server wants an unreasonable amount of work.
    case tooManyIterations
    /// The server could not prove that it knows the password.
    case wrongServerSignature
}
