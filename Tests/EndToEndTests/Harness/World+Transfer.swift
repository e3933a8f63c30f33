import Foundation
import Testing

extension World {
    /// Sends a file and expects that it arrives whole, over a certain path, and that the server carries it if the path
    /// leads through the server.
    ///
    /// - Parameters:
    ///   - path: in the words of `--json`.
    ///   - obstacles: words of the reasons that the sender gives for not taking a better path, each of some reason, for
    ///     programs and for people.
    ///   - sending: more arguments of the sender.
    ///   - receiving: more arguments of the receiver.
    ///   - point: the text of the stanza at which the negotiation stops for `breakdown`; see ``holdingStanzas(with:clientCount:from:_:)``.
    /// - Returns: what the sender says in the end.
    @discardableResult
    func expectTransfer(
        over path: String, byteCount: Int, obstacles: [String] = [], sending: [String] = [], receiving: [String] = [],
        stoppingAt point: String? = nil, _ breakdown: () async throws -> Void = {},
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Event {
        let file = try makeFile(byteCount: byteCount)
        let receiver = try await receiver(["--yes", "--once"] + receiving)
        let before = try await serverByteCount
        var sender: Program?
        if let point {
            try await holdingStanzas(with: point) {
                let started = try self.sender(of: [file], sending)
                sender = started
                return [started, receiver]
            } _: {
                try await breakdown()
            }
        }
        let sent = try await (try sender ?? self.sender(of: [file], sending)).exit()
        let carried = try await serverByteCount - before
        let label: Comment = "\(path) \(sending) \(receiving)"
        try #require(
            sent.status == 0, "\(label) sender: \(sent.messages) receiver: \(receiver.messages)",
            sourceLocation: sourceLocation)
        let got = try await receiver.exit()
        try #require(got.status == 0, "\(label) receiver: \(got.messages)", sourceLocation: sourceLocation)
        expectReceived(file, sourceLocation: sourceLocation)
        try FileManager.default.removeItem(at: inbox.appending(path: file.lastPathComponent))
        let completed = try #require(try sent.completed.first)
        for summary in [completed, try #require(try got.completed.first)] {
            #expect(summary.path == path, "\(label): \(summary.pathReasons ?? [])", sourceLocation: sourceLocation)
            #expect(summary.byteCount == byteCount)
            #expect(summary.sha256 != nil && summary.sha256 == completed.sha256)
            #expect(summary.isEndToEndEncrypted == true, label, sourceLocation: sourceLocation)
        }
        let reasons = completed.pathReasons ?? []
        for obstacle in obstacles {
            #expect(
                reasons.contains { $0.localizedCaseInsensitiveContains(obstacle) },
                "\(label): '\(obstacle)' is not among \(reasons)", sourceLocation: sourceLocation)
            #expect(sent.messages.contains(obstacle), "\(label): \(sent.messages)", sourceLocation: sourceLocation)
        }
        if path.hasPrefix("relay") || path == "socks5 proxy" || path == "in-band" {
            #expect(carried > byteCount, label, sourceLocation: sourceLocation)
        } else {
            #expect(
                carried < byteCount / 16, "\(label): the server carried \(carried) bytes",
                sourceLocation: sourceLocation)
        }
        let firstByte = completed.timeToFirstByteSeconds.map { "\($0)" } ?? "?"
        // The receiver has its own reasons, but what was tried is the same for both.
        let receiverReasons = try got.completed.first?.pathReasons ?? []
        #expect(
            receiverReasons.isEmpty == reasons.isEmpty,
            "\(label): the sender says \(reasons), the receiver \(receiverReasons)", sourceLocation: sourceLocation)
        #expect(!receiverReasons.contains { $0.contains("the peer gave") }, sourceLocation: sourceLocation)
        print("PATH \(topology.rawValue) \(label): first byte \(firstByte) s, server \(carried) B, reasons \(reasons)")
        return completed
    }
}
