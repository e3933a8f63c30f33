// Wire/Forward.md § HTTP/2: what the requests on a multiplexed byte stream are for.
internal import NIOHPACK
internal import NIOHTTP2

/// What a stream inside a byte stream is for, as the `:authority` of its CONNECT request.
enum MultiplexedPurpose: String, Sendable {
    /// A stream that the client opens.
    case ownStream = "stream:1"
    /// The stream on which the server asks for streams, a byte for each.
    case requests = "requests:1"
    /// A stream that the server has asked for, and opens so.
    case requestedStream = "stream:2"

    /// The purpose of a request; `nil` when it is none of ours.
    init?(request: HPACKHeaders) {
        guard request.first(name: ":method") == "CONNECT", let authority = request.first(name: ":authority") else {
            return nil
        }
        self.init(rawValue: authority)
    }

    /// The request's fields.
    var request: HPACKHeaders { [":method": "CONNECT", ":authority": rawValue] }

    /// The answer's fields.
    static var acceptance: HPACKHeaders { [":status": "200"] }

    /// Whether an answer is that one.
    static func isAcceptance(_ headers: HPACKHeaders) -> Bool { headers.first(name: ":status") == "200" }

    /// Where the codes of ``ByteStream/reset(code:)`` begin among those of RST_STREAM, after all that RFC 9113 defines.
    private static let firstResetCode = 0x100
    private static let resetCodeCount: UInt64 = 0x1_0000

    /// The RST_STREAM code that carries a code of ours.
    static func errorCode(ofReset code: UInt64) -> HTTP2ErrorCode {
        HTTP2ErrorCode(networkCode: firstResetCode + Int(min(code, resetCodeCount - 1)))
    }

    /// The code of ours that an RST_STREAM carries; 0 for HTTP/2's own.
    static func resetCode(_ error: HTTP2ErrorCode) -> UInt64 {
        let code = error.networkCode - firstResetCode
        return code >= 0 && code < Int(resetCodeCount) ? UInt64(code) : 0
    }
}
