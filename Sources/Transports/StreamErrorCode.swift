/// The codes with which a stream of the ICE-QUIC transport is aborted, as Wire/ICE-QUIC.md lists them.
package enum StreamErrorCode: UInt64 {
    case cancelled = 1
    case receiverCannotStore = 2
    case senderCannotRead = 3
    case notAsNegotiated = 4
}
