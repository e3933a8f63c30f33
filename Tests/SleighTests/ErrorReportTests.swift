import Client
import FileTransfer
import Testing
import XMPP

@testable import sleigh

@Suite struct ErrorReportTests {
    private static let peer = JID(local: "bob", domain: "b.example", resource: "desk")

    /// Text from outside that would move the cursor, or pretend to be more lines.
    private static let evil = "x\u{1b}[2J\ny\u{202e}z"

    @Test func nothingFromOutsideReachesTheTerminalAsItIs() throws {
        let peer = try #require(Self.peer)
        let errors: [TransferError] = [
            .peerUnable(peer, Self.evil), .declined(peer, Self.evil), .noPath([Self.evil]),
            .interrupted(byteCount: 1, Self.evil), .protocolViolation(Self.evil), .peerFailed(Self.evil),
            .serverConnectionLost(Self.evil),
        ]
        for error in errors {
            let failure = ErrorReport.failure(for: error)
            #expect(!failure.message.contains("\u{1b}") && !failure.message.contains("\u{202e}"), "\(error)")
            #expect(!failure.message.contains("\ny"), "\(error)")
        }
    }

    @Test func silenceIsExplainedByWhatIsKnownOfTheClient() throws {
        let peer = try #require(Self.peer)
        #expect(ErrorReport.failure(for: TransferError.notAnswered(peer)).hint == "Ask them, and try again.")
        let explained = ErrorReport.failure(for: TransferError.notAnswered(peer, "Dino is silent"))
        #expect(explained.hint == "Dino is silent.")
    }

    @Test func exitCodes() throws {
        let peer = try #require(Self.peer)
        let expected: [(any Error, sleigh.ExitStatus)] = [
            (TransferError.peerOffline(peer), .peerUnavailable), (TransferError.notAnswered(peer), .peerUnavailable),
            (TransferError.declined(peer, nil), .declined), (TransferError.noPath([]), .noPath),
            (TransferError.interrupted(byteCount: 5, ""), .interruptedTransfer),
            (TransferError.checksumMismatch, .insecure), (TransferError.peerNotAuthenticated(peer), .insecure),
            (TransferError.serverConnectionLost(""), .serverUnreachable), (ClientError.replaced, .serverUnreachable),
            (ClientError.cancelled, .interruptedByUser), (CancellationError(), .interruptedByUser),
            (LocalFileError.notFound(path: "x"), .localFile),
            (StanzaChannelError.closed(reason: ""), .serverUnreachable),
        ]
        for (error, code) in expected {
            #expect(ErrorReport.failure(for: error).code == code, "\(error)")
        }
    }
}
