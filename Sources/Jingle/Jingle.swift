// XEP-0166: Jingle. Namespaces, features and limits.
import XMPP

/// The names Jingle is known by, and what the program advertises.
public enum Jingle {
    /// The namespace of `<jingle/>` and its disco feature (XEP-0166 § 11).
    public static let namespace = "urn:xmpp:jingle:1"
    /// The namespace of the Jingle-specific error conditions (XEP-0166 § 10).
    public static let errorsNamespace = "urn:xmpp:jingle:errors:1"

    /// Every disco#info feature that follows from what this module negotiates.
    ///
    /// `urn:xmpp:jingle:transports:ice-udp:1` and `urn:xmpp:jingle:apps:dtls:0` are left out on purpose: both are
    /// used only inside the ICE-QUIC transport, while a client that sees them may offer a bare ICE-UDP content
    /// (XEP-0176 § 9), or a data channel, and would get `unsupported-transports` for it.
    public static let features: [String] = [
        namespace,
        FileDescription.namespace,
        FileContinuation.namespace,
        ByteStreamDescription.namespace,
        StreamContinuation.namespace,
        ForwardDescription.namespace,
        BenchDescription.namespace,
        ICEQUICTransportDescription.namespace,
        SOCKS5TransportDescription.namespace,
        SOCKS5Bytestream.namespace,
        InBandTransportDescription.namespace,
        InBandBytestream.namespace,
        BytestreamTLS.namespace,
        JingleMessage.namespace,
        Hash.namespace,
        "urn:xmpp:hash-function-text-names:sha-256",
    ]
}

/// What a peer may make this side hold. Sizes are in bytes of UTF-8.
package enum JingleLimit {
    /// Contents of one stanza, and of one session.
    package static let contentCount = 64
    /// A session identifier, a content name, a message identifier.
    package static let identifierByteCount = 256
    /// Unknown child elements kept of one element.
    package static let extensionCount = 32
    /// Requests of one session that wait for an answer.
    package static let pendingRequestCount = 256
    /// A file's name; as long as a path may be on Linux.
    package static let fileNameByteCount = 4096
    /// A media type (RFC 6838 § 4.2: 127 bytes on each side of the slash).
    package static let mediaTypeByteCount = 255
    /// A description or a reason's text.
    package static let textByteCount = 16_384
    /// Hashes of one file.
    package static let hashCount = 16
    /// Candidates of one transport element.
    package static let candidateCount = 64
    /// Addresses of one `<direct/>` element.
    package static let addressCount = 32
    /// Descriptions of one `<propose/>`.
    package static let descriptionCount = 16
}
