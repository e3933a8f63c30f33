/// Why a QUIC connection ended.
public enum QUICCloseReason: Sendable, Hashable {
    /// This side closed it.
    case local(code: UInt64)
    /// The peer closed it; the words are the peer's, cut to 256 bytes, and must not be printed unescaped.
    case peer(code: UInt64, reason: String)
    /// The peer found a fault in the protocol (RFC 9000 § 20.1).
    case peerTransport(code: UInt64, reason: String)
    /// The peer's certificate is not the one signalled, or it has none.
    case peerNotAuthenticated
    /// The peer does not accept our certificate.
    case refusedByPeer
    /// Nothing was heard for the time limit.
    case idleTimeout
    /// Nothing can be sent any more: why, as part of a sentence.
    case pathLost(String)
    /// The handshake did not end in time.
    case handshakeTimeout
    /// The peer broke the protocol, or the library failed; the library's words.
    case failed(String)
}

/// What a ``QUICConnection`` reports between packets.
package enum QUICEvent {
    /// The TLS handshake is done on this side; the peer may still refuse us.
    case handshakeCompleted
    /// Both sides have authenticated each other: data may flow.
    case established
    /// The peer has opened a stream.
    case streamOpened(QUICStream)
    /// The peer has aborted its direction of the stream.
    case streamReset(QUICStream, code: UInt64)
    /// The peer wants no more data on the stream, noticed when there was more to send.
    case streamStopped(QUICStream)
    /// Both directions have ended; the stream's data is released.
    case streamClosed(QUICStream)
    /// The peer lets us open more streams.
    case streamsAvailable
    /// The connection is over; a last packet may have to be sent still.
    case closed(QUICCloseReason)
}
